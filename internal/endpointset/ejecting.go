package endpointset

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
)

// CallsFail handles a connection on which as many calls in a row have failed as an
// ejection requires. It is called at the end of a call and takes the set's lock.
func (c *conn) CallsFail() {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if !s.scope.Closed() && e.conn == c && e.was.Class == judge.Eligible && s.canSpareLocked() && e.ejectLocked(machine.CallsFail) {
		e.applyLocked()
	}
}

// TrialEnds handles the end of the call on trial. Calls from before the ejection do
// not count.
func (c *conn) TrialEnds(answered bool) {
	e, s := c.endpoint, c.endpoint.set
	event := machine.CallFailed
	if answered {
		event = machine.CallAnswered
	}
	s.scope.Lock()
	defer s.scope.Unlock()
	if !s.scope.Closed() && e.conn == c && e.ejectLocked(event) {
		e.applyLocked()
	}
}

// canSpareLocked reports whether one more endpoint may be ejected: never the last
// eligible one, and at most half of the list, or of the endpoints that are leaving it.
func (s *Set) canSpareLocked() bool {
	if s.choice != nil && s.choice.state.Pinned() != "" {
		return false
	}
	return s.eligible.Len() > 1 && 2*(len(s.ejections)+1) <= max(len(s.list), len(s.handover.old))
}

// ejections are the endpoints that are ejected or on trial.
type ejections map[*endpoint]struct{}

// pardon admits all of them again, since no other endpoint is left.
func (x ejections) pardon() {
	for e := range x {
		if e.ejectLocked(machine.Pardon) {
			e.applyLocked()
		}
	}
}

// ejectLocked moves the ejection, and reports whether its phase has changed. The
// caller must then call applyLocked.
func (e *endpoint) ejectLocked(event machine.EjectionEvent) (changed bool) {
	s, was := e.set, e.ejection
	now := time.Now()
	limits := machine.EjectionLimits{Base: s.cfg.Ejection.BaseTime, Most: s.cfg.Ejection.MaxTime, U: rand.Float64()}
	e.ejection = was.Next(event, now, limits)
	if s.choice != nil && e.ejection.Phase == machine.OnTrial { // a standby gets no calls that could try it
		e.ejection = e.ejection.Next(machine.CallAnswered, now, limits)
	}
	if e.ejection == was {
		return false
	}
	e.ejectionTimer.Stop()
	if e.ejection.Phase == machine.Ejected {
		e.ejections++
		s.teller.Ejection(e.name)
	}
	if e.ejection.Phase != machine.Admitted {
		s.ejections[e] = struct{}{}
		e.ejectionTimer.Arm(s.scope, e.ejection.Until.Sub(now), func() {
			if e.ejectLocked(machine.TimeIsUp) {
				e.applyLocked()
			}
		})
	} else {
		delete(s.ejections, e)
		if e.conn != nil {
			e.conn.Forgive()
		}
	}
	e.offerTrialLocked()
	return was.Phase != e.ejection.Phase
}

// offerTrialLocked lets one call try the connection if the endpoint is on trial and
// serves, and none otherwise.
func (e *endpoint) offerTrialLocked() {
	if e.conn != nil {
		e.conn.SetTrial(e.ejection.Phase == machine.OnTrial && judge.Judge(e.facts()).Serves)
	}
	if e.ejection.Phase != machine.Admitted {
		e.set.pub.Mark()
	}
}
