package endpointset

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
)

// CallsFail hears of a connection on which as many calls in a row have failed as
// an ejection takes. It comes from a call that ends, and takes Set.mu.
func (c *conn) CallsFail() {
	e, s := c.endpoint, c.endpoint.set
	s.mu.Lock()
	defer s.unlock()
	if !s.closed && e.conn == c && e.was.Class == judge.Eligible && s.canSpareLocked() && e.ejectLocked(machine.CallsFail) {
		e.applyLocked()
	}
}

// TrialEnds hears how the call on trial has ended. Calls from before the
// ejection do not decide.
func (c *conn) TrialEnds(answered bool) {
	e, s := c.endpoint, c.endpoint.set
	event := machine.CallFailed
	if answered {
		event = machine.CallAnswered
	}
	s.mu.Lock()
	defer s.unlock()
	if !s.closed && e.conn == c && e.ejectLocked(event) {
		e.applyLocked()
	}
}

// canSpareLocked tells whether one more endpoint may be ejected: never the last
// that is eligible, and at most half of the list.
func (s *Set) canSpareLocked() bool {
	if s.choice != nil && s.choice.state.Pinned() != "" {
		return false
	}
	return s.eligible.Len() > 1 && 2*(len(s.ejections)+1) <= len(s.list)
}

// pardonLocked lets all ejected endpoints back in, since there is nobody else.
func (s *Set) pardonLocked() {
	for e := range s.ejections {
		if e.ejectLocked(machine.Pardon) {
			e.applyLocked()
		}
	}
}

// ejectLocked moves the ejection, and tells whether its phase has changed: then
// applyLocked is to follow.
func (e *endpoint) ejectLocked(event machine.EjectionEvent) (changed bool) {
	s, was := e.set, e.ejection
	now := time.Now()
	limits := machine.EjectionLimits{Base: s.cfg.Ejection.BaseTime, Most: s.cfg.Ejection.MaxTime, U: rand.Float64()}
	e.ejection = was.Next(event, now, limits)
	if s.choice != nil && e.ejection.Phase == machine.OnTrial { // a standby gets no call to try it with
		e.ejection = e.ejection.Next(machine.CallAnswered, now, limits)
	}
	if e.ejection == was {
		return false
	}
	if e.ejectionTimer != nil {
		e.ejectionTimer.Stop()
		e.ejectionTimer = nil
	}
	if e.ejection.Phase == machine.Ejected {
		e.ejections++
		s.teller.Ejection(e.name)
	}
	if e.ejection.Phase != machine.Admitted {
		s.ejections[e] = struct{}{}
		e.armEjectionLocked(e.ejection.Until.Sub(now))
	} else {
		delete(s.ejections, e)
		if e.conn != nil {
			e.conn.Forgive()
		}
	}
	e.offerTrialLocked()
	return was.Phase != e.ejection.Phase
}

// offerTrialLocked offers the connection to one call if the endpoint is on trial
// and serves, and to none otherwise.
func (e *endpoint) offerTrialLocked() {
	if e.conn != nil {
		e.conn.SetTrial(e.ejection.Phase == machine.OnTrial && judge.Judge(e.facts()).Serves)
	}
	if e.ejection.Phase != machine.Admitted {
		e.set.pub.mark()
	}
}

func (e *endpoint) armEjectionLocked(d time.Duration) {
	e.set.armLocked(&e.ejectionTimer, d, func() {
		if e.ejectLocked(machine.TimeIsUp) {
			e.applyLocked()
		}
	})
}
