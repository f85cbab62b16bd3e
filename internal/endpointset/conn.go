package endpointset

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// conn is one attempt of an endpoint to connect and, if it succeeds, one connection.
type conn struct {
	link.Conn

	endpoint *endpoint // immutable

	// Guarded by the set's lock.
	cancel     context.CancelFunc // ends the probes on this connection; nil if there are none
	passive    machine.Passive
	liveness   // of its peer
	retirement retirement
}

// connOf returns the conn of a pick.Conn.
func connOf(c *pick.Conn) *conn {
	owner, _ := c.Owner().(*conn) // there is no other owner
	return owner
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

// retireLocked retires the endpoint's conn. Calls on it may finish.
func (e *endpoint) retireLocked() {
	c := e.conn
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
