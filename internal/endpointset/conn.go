package endpointset

import (
	"context"
	"net/netip"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// conn is one attempt of a SubConn to connect and, if it succeeds, one connection. It is
// never reused, although its SubConn is, so a late report about it cannot be mistaken
// for one about its successor.
type conn struct {
	pick.Conn // as a pick sees it

	endpoint *endpoint // immutable
	slot     *slot     // immutable; with the SubConn
	address  resolver.Address
	holder   transport.Holder // of the net.Conn, if the credentials provide it

	// Guarded by the set's lock.
	cancel     context.CancelFunc // ends the probes on this connection; nil if there are none
	passive    machine.Passive
	ready      time.Time   // when the connection was established
	unreported scope.Timer // ends reportWait
	liveness               // of its peer
	retirement retirement
}

// connOf returns the conn of a pick.Conn.
func connOf(c *pick.Conn) *conn {
	owner, _ := c.Owner().(*conn) // there is no other owner
	return owner
}

// remoteIP returns the IP address of the connection's far end, the zero value if it is
// not known, as behind a proxy.
func (c *conn) remoteIP() netip.Addr {
	if remote := c.holder.Remote(); remote != nil {
		if at, err := netip.ParseAddrPort(remote.String()); err == nil {
			return at.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// AnswerSpeaksAgainst handles a call whose answer is evidence against the endpoint, as
// that of a passive replica is, or that of a server that rejects its token. The
// endpoint becomes suspect and is probed at once. It does not become unhealthy: the
// answer is about one service of the node, and a probe's is about the node. The method
// is called at the end of a call and takes the set's lock. Like CallsFail, TrialEnds and
// PickedLate it belongs to pick.Owner.
func (c *conn) AnswerSpeaksAgainst(why report.Reason) {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || e.conn != c || e.checker == nil || e.health.State != report.Healthy {
		return
	}
	var doubt bool
	health := s.cfg.HealthCheck
	c.passive, doubt = c.passive.Next(time.Now(), health.SuspectInterval, health.Interval)
	if doubt {
		e.doubtLocked(why)
	}
}

// retireLocked retires the endpoint's conn, and ends a race. Calls on the conn may
// finish: Shutdown only prevents new ones.
func (e *endpoint) retireLocked() {
	e.endRaceLocked()
	c := e.conn
	if c == nil {
		return
	}
	e.conn = nil
	e.forgetValidationLocked()
	c.SetEligible(false)
	c.SetTrial(false)
	c.SetDoubted(false)
	if e.ejection.Phase != machine.Admitted {
		e.ejectLocked(machine.Pardon) // the failures were those of the old connection
	}
	if c.cancel != nil {
		c.cancel()
	}
	if e.health.State == report.Suspect || e.health.State == report.Unhealthy || c.state == judge.Silent || c.state == judge.Dead {
		e.set.scope.After(c.PickedLate)
	}
	e.retired = append(e.retired, c)
	if e.checker != nil && c.Counts().InFlight > 0 {
		e.set.sampler.retired[c] = struct{}{}
	}
	e.foldLocked()
	c.slot.leaveLocked(c)
}

// foldLocked adds up the counts of retired conns without calls in flight, and releases
// those conns.
func (e *endpoint) foldLocked() {
	kept := e.retired[:0]
	for _, c := range e.retired {
		if n := c.Counts(); n.InFlight == 0 {
			e.folded = pick.Sum(e.folded, n)
		} else {
			kept = append(kept, c)
		}
	}
	clear(e.retired[len(kept):])
	e.retired = kept
}

// countsLocked returns the counts of all of the endpoint's calls. Picked never
// decreases, although a pick may be undone: callers compute its growth.
func (e *endpoint) countsLocked() report.CallStats {
	e.foldLocked()
	total := e.folded
	for _, c := range e.retired {
		total = pick.Sum(total, c.Counts())
	}
	if e.conn != nil {
		total = pick.Sum(total, e.conn.Counts())
	}
	e.picked = max(e.picked, total.Picked)
	total.Picked = e.picked
	return total
}
