package endpointset

import (
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/report"
)

// fellOrRoseLocked has calls on unhealthy endpoints retried elsewhere, once the set's lock is
// released: those on e if it has just become unhealthy and there is another endpoint,
// whatever its class was, and those on all of them if e is the first that is eligible
// again.
func (e *endpoint) fellOrRoseLocked(was judge.Judgement) {
	s := e.set
	switch {
	case e.was.Sick && !was.Sick && s.pickableLocked():
		e.rescueLocked()
	case s.choice == nil && was.Class != judge.Eligible && e.was.Class == judge.Eligible && s.eligible.Len() == 1:
		for other := range s.all() {
			other.rescueLocked()
		}
	}
}

func (e *endpoint) rescueLocked() {
	if c := e.conn; c != nil && e.was.Class == judge.Out && e.was.Sick && !e.finishesLocked() {
		e.set.scope.After(c.Rescue)
	}
}

// finishesLocked reports whether the endpoint is expected to finish the calls that it
// has: it was the active one and reports that it no longer is.
func (e *endpoint) finishesLocked() bool {
	return e.set.choice != nil && e.health.Reason == report.ReasonNotServing
}

// PickedLate handles a call on a connection that is retired while its endpoint is in
// doubt, and a call that was sent to a connection while that became ineligible.
func (c *conn) PickedLate() {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	elsewhere := s.pickableLocked() && (e.conn != c || e.was.Sick) && !e.finishesLocked()
	s.scope.Unlock()
	if elsewhere {
		c.Rescue()
	}
}
