package endpointset

import (
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/report"
)

// fellOrRoseLocked has calls on unhealthy endpoints made again elsewhere, once Set.mu
// is released: those on e if it has just become unhealthy and there is another,
// whatever its class was, and those on all of them if e is the first that is
// eligible again.
func (e *endpoint) fellOrRoseLocked(was judge.Judgement) {
	s := e.set
	switch {
	case e.was.Sick && !was.Sick && s.pickableLocked():
		e.rescueLocked()
	case s.choice == nil && was.Class != judge.Eligible && e.was.Class == judge.Eligible && s.eligible.Len() == 1:
		for _, other := range s.list {
			other.rescueLocked()
		}
		for _, other := range s.handover.old {
			other.rescueLocked()
		}
	}
}

func (e *endpoint) rescueLocked() {
	if c := e.conn; c != nil && e.was.Class == judge.Out && e.was.Sick && !e.finishesLocked() {
		e.set.after = append(e.set.after, c.Rescue)
	}
}

// finishesLocked tells whether the endpoint is expected to finish the calls that
// it has: one that was the active and says that it is not any more.
func (e *endpoint) finishesLocked() bool {
	return e.set.choice != nil && e.health.Reason == report.ReasonNotServing
}

// PickedLate is for the calls on a connection that is given up while its
// endpoint is in doubt, and for one that was given a connection which turned bad
// at that very moment.
func (c *conn) PickedLate() {
	e, s := c.endpoint, c.endpoint.set
	s.mu.Lock()
	elsewhere := s.pickableLocked() && (e.conn != c || e.health.State == report.Unhealthy) && !e.finishesLocked()
	s.unlock()
	if elsewhere {
		c.Rescue()
	}
}
