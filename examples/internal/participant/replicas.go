package participant

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/child"
)

// Replica is one of the participant's replicas: a process, and later another one at
// the same address. Except for Refused, it is for use by one goroutine.
type Replica struct {
	Name, Addr string

	store   string
	service Service
	// says receives Active and Passive whenever that changes.
	says    chan string
	refused atomic.Int64
	process *child.Process
}

// Start starts a process; it is passive at first.
func (r *Replica) Start() error {
	p, err := child.Start([]string{
		replicaEnv + "=" + r.Name, addrEnv + "=" + r.Addr, storeEnv + "=" + r.store,
		serviceEnv + "=" + r.service.ID, partiesEnv + "=" + strings.Join(r.service.Parties, ","),
	}, func(line string) {
		switch line {
		case Active, Passive:
			r.says <- line
		case sayRefused:
			r.refused.Add(1)
		}
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", r.Name, err)
	}
	r.process = p
	return nil
}

// Await waits until the replica reports what, which is Active or Passive.
func (r *Replica) Await(ctx context.Context, what string) error {
	for {
		select {
		case line := <-r.says:
			if line == what {
				return nil
			}
		case <-r.process.Ended():
			return fmt.Errorf("%s has ended: %v", r.Name, r.process.State())
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s: %w", r.Name, what, ctx.Err())
		}
	}
}

// Refused returns how many writes the store refused because the session had ended.
func (r *Replica) Refused() int64 { return r.refused.Load() }

// Kill ends the process by SIGKILL.
func (r *Replica) Kill() error { return r.process.Kill() }

// Ended is closed when the process has ended.
func (r *Replica) Ended() <-chan struct{} { return r.process.Ended() }

// StepDown makes the replica step down, as before an upgrade.
func (r *Replica) StepDown() error { return r.process.Tell(commandStepDown) }

// Stop stops the process, as on a machine that swaps; see child.CanStop.
func (r *Replica) Stop() error { return r.process.Stop() }

// Resume lets the process continue.
func (r *Replica) Resume() error { return r.process.Resume() }

// Replicas is the list of replicas of one participant.
type Replicas []*Replica

// Service is a participant service.
type Service struct {
	// ID is the participant's ID, and Parties are those that it hosts.
	ID      string
	Parties []string
}

// StartReplicas starts two replicas, p1 and p2, and waits until the first is
// active.
func StartReplicas(ctx context.Context, store string) (Replicas, error) {
	return StartService(ctx, Service{ID: "participant::1220demo"}, store, "p1", "p2")
}

// StartService starts the replicas of a service with these names, and waits until the
// first is active.
func StartService(ctx context.Context, service Service, store string, names ...string) (Replicas, error) {
	ctx, cancel := context.WithTimeout(ctx, StepLimit)
	defer cancel()
	var all Replicas
	for i, name := range names {
		addr, err := FreeAddr(ctx)
		if err != nil {
			all.Close()
			return nil, err
		}
		r := &Replica{Name: name, Addr: addr, store: store, service: service, says: make(chan string, 100)}
		state := Passive
		if i == 0 {
			state = Active
		}
		err = r.Start()
		if err == nil {
			all = append(all, r)
			err = r.Await(ctx, state)
		}
		if err != nil {
			all.Close()
			return nil, err
		}
	}
	return all, nil
}

// FreeAddr returns an unused loopback address. A replica listens there only while
// it is active.
func FreeAddr(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Endpoints returns the list for a client.
func (all Replicas) Endpoints() []cantonlb.Endpoint {
	list := make([]cantonlb.Endpoint, 0, len(all))
	for _, r := range all {
		list = append(list, cantonlb.Endpoint{Name: r.Name, Address: "http://" + r.Addr})
	}
	return list
}

// Close ends all of them, and waits for them.
func (all Replicas) Close() {
	for _, r := range all {
		r.process.Close()
	}
}
