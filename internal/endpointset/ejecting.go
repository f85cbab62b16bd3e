package endpointset

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
)

// callsFail hears of a connection on which as many calls in a row have failed as
// an ejection takes. It comes from a call that ends, and takes Set.mu.
func (s *Set) callsFail(c *conn) {
	s.mu.Lock()
	defer s.unlock()
	if e := c.endpoint; !s.closed && e.conn == c && e.was.Class == judge.Eligible && s.canSpareLocked() && e.ejectLocked(callsFail) {
		e.applyLocked()
	}
}

// trialEnds hears how the call on trial has ended. Calls from before the
// ejection do not decide.
func (s *Set) trialEnds(c *conn, event ejectionEvent) {
	s.mu.Lock()
	defer s.unlock()
	if e := c.endpoint; !s.closed && e.conn == c && e.ejectLocked(event) {
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
		if e.ejectLocked(pardon) {
			e.applyLocked()
		}
	}
}

// ejectLocked moves the ejection, and tells whether its phase has changed: then
// applyLocked is to follow.
func (e *endpoint) ejectLocked(event ejectionEvent) (changed bool) {
	s, was := e.set, e.ejection
	now := time.Now()
	limits := ejectionLimits{base: s.cfg.Ejection.BaseTime, most: s.cfg.Ejection.MaxTime, u: rand.Float64()}
	e.ejection = was.next(event, now, limits)
	if s.choice != nil && e.ejection.phase == onTrial { // a standby gets no call to try it with
		e.ejection = e.ejection.next(callAnswered, now, limits)
	}
	if e.ejection == was {
		return false
	}
	if e.ejectionTimer != nil {
		e.ejectionTimer.Stop()
		e.ejectionTimer = nil
	}
	if e.ejection.phase == ejected {
		e.ejections++
		s.teller.Ejection(e.name)
	}
	if e.ejection.phase != admitted {
		s.ejections[e] = struct{}{}
		e.armEjectionLocked(e.ejection.until.Sub(now))
	} else {
		delete(s.ejections, e)
		if e.conn != nil {
			e.conn.Forgive()
		}
	}
	e.offerTrialLocked()
	return was.phase != e.ejection.phase
}

// offerTrialLocked offers the connection to one call if the endpoint is on trial
// and serves, and to none otherwise.
func (e *endpoint) offerTrialLocked() {
	if e.conn != nil {
		e.conn.SetTrial(e.ejection.phase == onTrial && judge.Judge(e.facts()).Serves)
	}
	if e.ejection.phase != admitted {
		e.set.dirtyLocked()
	}
}

func (e *endpoint) armEjectionLocked(d time.Duration) {
	e.set.armLocked(&e.ejectionTimer, d, func() {
		if e.ejectLocked(timeIsUp) {
			e.applyLocked()
		}
	})
}
