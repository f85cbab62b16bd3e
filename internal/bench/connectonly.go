package main

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
)

func init() { balancer.Register(connectOnlyBuilder{}) } //nolint:gochecknoinits // as grpc asks of a policy

// connectOnly is a policy for comparison only: it connects to all endpoints and
// publishes one picker, when the last of them is READY. It measures the cost of the
// connections alone.
type connectOnly struct {
	cc balancer.ClientConn

	// mu guards the fields below. No other lock is acquired while it is held.
	mu    sync.Mutex
	want  int
	ready []balancer.SubConn
}

type connectOnlyBuilder struct{}

func (connectOnlyBuilder) Name() string { return "bench_connect_only" }

func (connectOnlyBuilder) Build(cc balancer.ClientConn, _ balancer.BuildOptions) balancer.Balancer {
	return &connectOnly{cc: cc}
}

func (b *connectOnly) UpdateClientConnState(s balancer.ClientConnState) error {
	b.mu.Lock()
	b.want = len(s.ResolverState.Endpoints)
	b.mu.Unlock()
	for _, e := range s.ResolverState.Endpoints {
		var sc balancer.SubConn
		//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
		sc, err := b.cc.NewSubConn(e.Addresses[:1], balancer.NewSubConnOptions{ //nolint:staticcheck // as above
			StateListener: func(state balancer.SubConnState) {
				if state.ConnectivityState == connectivity.Ready {
					b.add(sc)
				}
			},
		})
		if err != nil {
			return fmt.Errorf("a SubConn to %s: %w", e.Addresses[0].Addr, err)
		}
		sc.Connect()
	}
	return nil
}

func (b *connectOnly) add(sc balancer.SubConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ready = append(b.ready, sc); len(b.ready) == b.want {
		b.cc.UpdateState(balancer.State{ConnectivityState: connectivity.Ready, Picker: newBasePicker(b.ready)})
	}
}

func (*connectOnly) ResolverError(error)                                        {}
func (*connectOnly) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}
func (*connectOnly) ExitIdle()                                                  {}
func (*connectOnly) Close()                                                     {}
