package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/resolver"
)

// fakeChannel replaces a grpc channel to n endpoints, around one policy. Its
// connections succeed at once and there is no network, so that only the policy is
// measured. Like a channel, it calls the policy from one goroutine.
type fakeChannel struct {
	balancer.ClientConn // nil; what a policy calls is defined below

	serial   serializer
	progress *progress
	policy   balancer.Balancer // used by the serializer alone
	// channelHealth says that grpc's health check is on.
	channelHealth bool
	servers       map[string]*fakeServer // by address; immutable

	ctx    context.Context //nolint:containedctx // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the channel's health checks
}

// openFake returns a channel whose policy picks among all n endpoints.
func openFake(ctx context.Context, p policy, n int) (*fakeChannel, error) {
	builder, config, err := lookUp(p.name, json.RawMessage(p.config))
	if err != nil {
		return nil, err
	}
	f := &fakeChannel{progress: newProgress(), channelHealth: p.channelHealth, servers: make(map[string]*fakeServer, n)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.serial.start()
	state := stateOf(addresses(n))
	for _, a := range state.Addresses {
		f.servers[a.Addr] = newFakeServer()
	}
	refused := make(chan error, 1)
	f.serial.schedule(func() {
		target := resolver.Target{URL: url.URL{Scheme: "bench", Path: "/fake"}}
		f.policy = builder.Build(f, balancer.BuildOptions{Target: target})
		refused <- f.policy.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: config})
	})
	if err = <-refused; err == nil {
		_, err = f.progress.await(ctx, n, n)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// server returns the i-th endpoint's server.
func (f *fakeChannel) server(i int) *fakeServer { return f.servers[endpointAddress(i)] }

// close ends the policy and everything that runs for it.
func (f *fakeChannel) close() {
	f.serial.schedule(func() {
		if f.policy != nil {
			f.policy.Close()
		}
		f.cancel()
	})
	f.serial.stop()
	f.wg.Wait()
}

func (f *fakeChannel) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	if len(addrs) != 1 || f.servers[addrs[0].Addr] == nil {
		return nil, fmt.Errorf("addresses %v: want one, of this channel", addrs)
	}
	sc := &fakeSubConn{channel: f, listener: opts.StateListener, server: f.servers[addrs[0].Addr]}
	sc.ctx, sc.cancel = context.WithCancel(f.ctx)
	return sc, nil
}

func (f *fakeChannel) UpdateState(s balancer.State) { f.progress.publish(s) }

func (*fakeChannel) ResolveNow(resolver.ResolveNowOptions) {}

func (*fakeChannel) Target() string { return "bench:///fake" }

func (*fakeChannel) MetricsRecorder() stats.MetricsRecorder { return noMetrics{} }

// noMetrics records nothing.
type noMetrics struct {
	stats.UnimplementedMetricsRecorder
}

// fakeSubConn replaces one connection.
type fakeSubConn struct {
	balancer.SubConn // nil; what a policy calls is defined below

	channel  *fakeChannel
	listener func(balancer.SubConnState)
	server   *fakeServer
	ctx      context.Context //nolint:containedctx // ends with Shutdown
	cancel   context.CancelFunc

	mu        sync.Mutex
	producers []func() // what closes them
}

// Connect succeeds.
func (sc *fakeSubConn) Connect() {
	for _, s := range []connectivity.State{connectivity.Connecting, connectivity.Ready} {
		sc.channel.serial.schedule(func() {
			if sc.ctx.Err() != nil {
				return
			}
			if s == connectivity.Ready {
				sc.channel.progress.ready.Add(1)
			}
			sc.listener(balancer.SubConnState{ConnectivityState: s})
		})
	}
}

// Shutdown closes the producers before it calls the listener, as grpc does.
func (sc *fakeSubConn) Shutdown() {
	sc.mu.Lock()
	producers := sc.producers
	sc.producers = nil
	sc.mu.Unlock()
	sc.cancel()
	for _, closeProducer := range producers {
		closeProducer()
	}
	sc.channel.serial.schedule(func() {
		sc.listener(balancer.SubConnState{ConnectivityState: connectivity.Shutdown})
	})
}

// RegisterHealthListener reports READY once, or runs a Watch as grpc's own health
// check does if the channel has a healthCheckConfig.
func (sc *fakeSubConn) RegisterHealthListener(listener func(balancer.SubConnState)) {
	tell := func(s connectivity.State) {
		sc.channel.serial.schedule(func() {
			if sc.ctx.Err() == nil {
				listener(balancer.SubConnState{ConnectivityState: s})
			}
		})
	}
	if !sc.channel.channelHealth {
		tell(connectivity.Ready)
		return
	}
	tell(connectivity.Connecting)
	sc.channel.wg.Go(func() {
		_ = watchHealth(sc.ctx, sc.server, func(serving bool) {
			if serving {
				tell(connectivity.Ready)
			} else {
				tell(connectivity.TransientFailure)
			}
		})
	})
}

// GetOrBuildProducer builds one each time: no policy here asks twice with the
// same builder.
func (sc *fakeSubConn) GetOrBuildProducer(b balancer.ProducerBuilder) (balancer.Producer, func()) {
	producer, closeProducer := b.Build(sc.server)
	closeOnce := sync.OnceFunc(closeProducer)
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.producers = append(sc.producers, closeOnce)
	return producer, closeOnce
}

// serializer runs functions one after the other in its own goroutine.
type serializer struct {
	mu      sync.Mutex
	queue   []func()
	stopped bool
	wake    chan struct{} // capacity 1: the queue is not empty, or stopped
	done    chan struct{} // closed when the goroutine has ended
}

func (s *serializer) start() {
	s.wake, s.done = make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(s.done)
		for range s.wake {
			s.mu.Lock()
			queue, stopped := s.queue, s.stopped
			s.queue = nil
			s.mu.Unlock()
			for _, f := range queue {
				f()
			}
			if stopped {
				return
			}
		}
	}()
}

// schedule queues f, unless the serializer has been stopped.
func (s *serializer) schedule(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.queue = append(s.queue, f)
	s.signalLocked()
}

func (s *serializer) signalLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// stop waits until all scheduled functions have run, and accepts no more.
func (s *serializer) stop() {
	s.mu.Lock()
	s.stopped = true
	s.signalLocked()
	s.mu.Unlock()
	<-s.done
}
