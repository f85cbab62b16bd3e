package faulttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// slowness is how long a call on a slow server takes.
const slowness = 200 * time.Millisecond

// Bench is a cluster under a client, with a witness.
type Bench struct {
	Cluster *lbtest.Cluster
	Client  *cantonlb.Client
	Witness *Witness

	removed  [Servers]bool
	stopping sync.WaitGroup
}

// ClientConfig returns the client's configuration. An ejected endpoint is retried
// soon, since the plan would otherwise wait for it most of the time.
func ClientConfig(c *lbtest.Cluster) cantonlb.Config {
	return cantonlb.Config{
		Endpoints:  endpoints(c),
		Idempotent: []string{readMethod},
		Ejection:   cantonlb.Ejection{MaxTime: 4 * time.Second},
	}
}

func endpoints(c *lbtest.Cluster) []cantonlb.Endpoint {
	list := make([]cantonlb.Endpoint, c.Len())
	for i, name := range c.Names() {
		list[i] = cantonlb.Endpoint{Name: name, Address: c.Addrs()[i]}
	}
	return list
}

// inRotation reports for each server whether the client picks it.
func (b *Bench) inRotation() [Servers]bool {
	eligible := make(map[string]bool)
	for _, e := range b.Client.Status().Endpoints {
		eligible[e.Name] = e.Eligible
	}
	var out [Servers]bool
	for i, name := range b.Cluster.Names() {
		out[i] = eligible[name]
	}
	return out
}

// do begins or ends the fault of a server.
func (b *Bench) do(s Step, draw func(n int) int) error {
	c, i := b.Cluster, s.Server
	name := c.Names()[i]
	switch s.Fault {
	case Killed:
		b.onOff(s, c.Kill, c.Restart)
	case Stopped:
		// The process ends when its calls have ended, at the latest at the restart.
		b.onOff(s, func(i int) { b.stopping.Go(func() { c.Stop(i) }) }, c.Restart)
	case Hung:
		b.onOff(s, c.Hang, c.Resume)
	case CutOff:
		b.onOff(s, c.Partition, c.Heal)
	case Disconnected:
		b.onOff(s, c.Disconnect, func(int) {})
	case Failing:
		b.onOff(s, func(i int) { c.FailCalls(i, codes.Unavailable, "half dead") }, func(i int) { c.FailCalls(i, codes.OK, "") })
	case Passive:
		b.onOff(s, func(i int) { c.FailCalls(i, codes.Unavailable, "NODE_IS_PASSIVE_REPLICA(1,0): passive") },
			func(i int) { c.FailCalls(i, codes.OK, "") })
	case NotServing:
		c.SetServing(i, "", s.Ends)
	case Slow:
		b.onOff(s, func(i int) { c.SetLatency(i, slowness) }, func(i int) { c.SetLatency(i, 0) })
	case Drained:
		if s.Ends {
			return b.Client.Undrain(name)
		}
		return b.Client.Drain(name)
	case Removed:
		b.removed[i] = !s.Ends
		return b.update(draw)
	case None:
		return b.update(draw)
	default:
		return fmt.Errorf("fault %d: want one that is defined", s.Fault)
	}
	return nil
}

func (*Bench) onOff(s Step, on, off func(i int)) {
	if s.Ends {
		off(s.Server)
	} else {
		on(s.Server)
	}
}

// update passes the client its list in another order.
func (b *Bench) update(draw func(n int) int) error {
	var list []cantonlb.Endpoint
	for i, e := range endpoints(b.Cluster) {
		if !b.removed[i] {
			list = append(list, e)
		}
	}
	for i := len(list) - 1; i > 0; i-- {
		j := draw(i + 1)
		list[i], list[j] = list[j], list[i]
	}
	return b.Client.Update(list)
}

// heal ends all faults, and waits until all servers are in rotation again.
func (b *Bench) heal(ctx context.Context, p Plan, draw func(n int) int) error {
	var errs []error
	for _, s := range p.Ends() {
		errs = append(errs, b.do(s, draw)) //nolint:contextcheck // the client's goroutines outlive the step
	}
	b.stopping.Wait()
	return errors.Join(append(errs, b.Client.WaitHealthy(ctx, b.Cluster.Len()))...)
}
