package endpointset

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/report"
)

// A connection is retired when its endpoint leaves the list, or when the server has
// sent GOAWAY. Its calls may finish, but it can no longer be probed: grpc ends all
// other use of it. So if its calls are silent, the server is probed on a separate
// connection. Only a missing answer counts against it: a server that shuts down
// gracefully refuses new connections while its last calls finish.
const (
	// askTimeouts is how many times the deadline of a probe such a probe may take,
	// since it has to connect first. mostAskTimeout bounds that.
	askTimeouts    = 4
	mostAskTimeout = 2 * time.Second
	// mostAsking bounds the probes of this kind under way in one set.
	mostAsking = 16
)

// retirement is what is known of a retired connection with calls in flight.
type retirement struct {
	asking bool      // a probe is under way
	fails  int       // probes in a row that were not answered in time
	ask    time.Time // when to probe again, if fails > 0
}

// lookAtRetired checks the retired connections. The sampler calls it.
func (x *sampler) lookAtRetired(now time.Time) {
	s := x.set
	for c := range x.retired {
		n := c.Counts()
		if n.InFlight == 0 {
			delete(x.retired, c)
			c.endpoint.recordLocked() // the endpoint may have left the list
			continue
		}
		x.busy = true
		health := c.endpoint.healthCheck
		doubt := c.listenLocked(now, n, health)
		r := &c.retirement
		if (doubt || r.fails > 0 && !now.Before(r.ask)) && !r.asking && x.asking < mostAsking {
			r.asking = true
			x.asking++
			s.wg.Go(c.askServer)
		}
		if r.fails >= health.Fall {
			c.closeIfDeadLocked(now, report.ReasonProbeTimeout)
		}
	}
}

// askServer probes the server of a retired connection.
func (c *conn) askServer() {
	s := c.endpoint.set
	e := c.endpoint
	timeout := min(askTimeouts*e.checker.Status().Probe.Timeout, mostAskTimeout)
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	v := (&fallback{endpoint: e, address: c.address}).Probe(ctx)
	cancel()

	s.mu.Lock()
	defer s.unlock()
	s.sampler.asking--
	r, now := &c.retirement, time.Now()
	r.asking = false
	if s.closed || s.ctx.Err() != nil {
		return
	}
	if v.Reason != report.ReasonProbeTimeout {
		c.alive, r.fails = now, 0
		return
	}
	r.fails++
	r.ask = now.Add(e.healthCheck.SuspectInterval)
	if r.fails >= e.healthCheck.Fall && s.pickableLocked() {
		s.after = append(s.after, c.Rescue)
	}
}

// closeIfDeadLocked closes a connection if nothing was read from it, and no call or
// probe was answered, for DeadAfter. reason is that of its endpoint's health.
func (c *conn) closeIfDeadLocked(now time.Time, reason report.Reason) {
	s := c.endpoint.set
	last := c.alive
	for _, t := range []time.Time{c.answered(), c.holder.LastFrame()} {
		if t.After(last) {
			last = t
		}
	}
	if c.dead != nil || now.Sub(last) < s.cfg.DeadAfter || !c.holder.Held() {
		return
	}
	why := fmt.Errorf("endpoint %q has shown no sign of life for %v (%s)", c.endpoint.name, explain.Roughly(now.Sub(last)), reason)
	c.dead = why
	s.after = append(s.after, func() { c.holder.Close(why) })
}

// answered returns when a probe of the endpoint was last answered on this connection.
// The probes after its retirement ran on another one.
func (c *conn) answered() time.Time {
	if c.endpoint.conn != c {
		return time.Time{}
	}
	return c.endpoint.checker.Answered()
}
