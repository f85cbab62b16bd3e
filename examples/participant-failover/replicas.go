package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/child"
)

// replica is one of the participant's replicas: a process, and after it another
// one at the same address. It is for use by one goroutine, but for refused.
type replica struct {
	name, addr, store string
	// says gets sayActive and sayPassive whenever that changes.
	says chan string
	// refused counts the writes that the store did not take, because the session
	// had ended.
	refused atomic.Int64
	process *child.Process
}

// start starts a process; it is passive at first.
func (r *replica) start() error {
	p, err := child.Start([]string{replicaEnv + "=" + r.name, addrEnv + "=" + r.addr, storeEnv + "=" + r.store}, func(line string) {
		switch line {
		case sayActive, sayPassive:
			r.says <- line
		case sayRefused:
			r.refused.Add(1)
		}
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.process = p
	return nil
}

// await waits until the replica says this.
func (r *replica) await(ctx context.Context, what string) error {
	for {
		select {
		case line := <-r.says:
			if line == what {
				return nil
			}
		case <-r.process.Ended():
			return fmt.Errorf("%s has ended: %v", r.name, r.process.State())
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s: %w", r.name, what, ctx.Err())
		}
	}
}

// replicas are those of one participant.
type replicas []*replica

// startReplicas starts two, and waits until the first is active.
func startReplicas(ctx context.Context, store string) (replicas, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	var all replicas
	for _, name := range []string{"p1", "p2"} {
		addr, err := freeAddr(ctx)
		if err != nil {
			all.close()
			return nil, err
		}
		r := &replica{name: name, addr: addr, store: store, says: make(chan string, 100)}
		err = r.start()
		if err == nil {
			all = append(all, r)
			err = r.await(ctx, map[string]string{"p1": sayActive, "p2": sayPassive}[name])
		}
		if err != nil {
			all.close()
			return nil, err
		}
	}
	return all, nil
}

// freeAddr gives a loopback address at which nobody listens. A replica listens there
// only while it is active.
func freeAddr(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (all replicas) endpoints() []cantonlb.Endpoint {
	list := make([]cantonlb.Endpoint, 0, len(all))
	for _, r := range all {
		list = append(list, cantonlb.Endpoint{Name: r.name, Address: "http://" + r.addr})
	}
	return list
}

// close ends all of them, and waits for them.
func (all replicas) close() {
	for _, r := range all {
		r.process.Close()
	}
}
