package endpointset

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// A connection is retired when its endpoint leaves the list, or when the server has
// sent GOAWAY. Its calls may finish, but it can no longer be probed: grpc ends all
// other use of it. So if its calls are silent, the server is probed on a separate
// connection. Only a missing answer counts against it: a server that shuts down
// gracefully refuses new connections while its last calls finish.
//
// A new connection may lead to another machine than the retired one, whose own may have
// gone, so the peer of that is asked too: see link.Conn.Ping.

// mostAsking bounds the probes of this kind under way in one set.
const mostAsking = 16

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
		ask := c.listenLocked(now, n, health.Silence, health.Interval)
		r := &c.retirement
		if (ask || r.fails > 0 && !now.Before(r.ask)) && !r.asking && x.asking < mostAsking {
			r.asking = true
			x.asking++
			s.scope.Go(c.askServer)
		}
		if r.fails >= health.Fall {
			c.closeIfDeadLocked(now, report.ReasonProbeTimeout)
		}
		c.heedLocked(now)
	}
}

// heedLocked looks for the answer to a ping. If nothing is received, the calls that can
// be retried elsewhere are, and after DeadAfter the connection is closed.
func (c *conn) heedLocked(now time.Time) {
	s := c.endpoint.set
	switch waited, late := c.Unheeded(now, s.sampler.resumed); {
	case waited >= s.cfg.DeadAfter:
		c.closeDeadLocked(now, c.Holder.LastFrame(), report.ReasonSilence)
	case late && s.pickableLocked():
		s.scope.After(c.Rescue)
	}
}

// askServer probes the server of a retired connection.
func (c *conn) askServer() {
	s := c.endpoint.set
	e := c.endpoint
	timeout := checking.FallbackTimeout(e.checker.Status().Probe.Timeout)
	c.Ping(timeout)
	ctx, cancel := context.WithTimeout(s.scope.Context(), timeout)
	v := (&fallback{endpoint: e, conn: c}).Probe(ctx)
	cancel()

	s.scope.Lock()
	defer s.scope.Unlock()
	s.sampler.asking--
	r, now := &c.retirement, time.Now()
	r.asking = false
	if s.scope.Closed() || s.scope.Context().Err() != nil {
		return
	}
	if v.Reason != report.ReasonProbeTimeout {
		c.LastHeard, r.fails = now, 0
		return
	}
	r.fails++
	r.ask = now.Add(e.healthCheck.SuspectInterval)
	if r.fails >= e.healthCheck.Fall && s.pickableLocked() {
		s.scope.After(c.Rescue)
	}
}
