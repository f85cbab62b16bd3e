package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// telemetry is what a Set keeps in order to tell of itself. Set.mu guards it.
type telemetry struct {
	options    Options       // of the newest list
	reporter   *reporter     // writes the events to the log; nil before the first
	totals     report.Totals // without what totalsLocked adds
	recorded   report.Totals // what the metrics have of them
	progressed time.Time     // when that was brought up to date
	unrecorded bool          // there may be more of it
	unregister func()        // ends the asking for metrics
}

// totalsLocked gives the accounts as of now.
func (s *Set) totalsLocked(now time.Time) report.Totals {
	t := s.totals
	retries := s.options.Retries.Totals()
	t.Rescued, t.Retried, t.RetriesRefused = retries.Rescued, retries.Retried, retries.Refused
	if !s.none.IsZero() {
		t.NoneEligibleTime += now.Sub(s.none)
	}
	return t
}

// countLocked takes an event into the accounts, and into the metrics.
func (s *Set) countLocked(e report.Event) {
	switch e.To {
	case report.NoneEligible:
		s.totals.NoneEligible++
	case report.SomeEligible:
		s.totals.NoneEligibleTime += e.Held
	case report.ListAccepted:
		s.totals.ListsAccepted++
	case report.ListRefused:
		s.totals.ListsRefused++
	default: // an endpoint, which keeps its own
	}
	s.after = append(s.after, func() { s.metrics.event(e) })
}

// fewTransitions is how many different ones an endpoint makes that stays healthy.
const fewTransitions = 4

// countLocked takes a transition into the endpoint's accounts.
func (e *endpoint) countLocked(to report.EndpointState, reason report.Reason) {
	reason = reason.Bounded()
	for i := range e.transitions {
		if t := &e.transitions[i]; t.To == to && t.Reason == reason {
			t.Count++
			return
		}
	}
	if e.transitions == nil {
		e.transitions = make([]report.TransitionCount, 0, fewTransitions)
	}
	e.transitions = append(e.transitions, report.TransitionCount{To: to, Reason: reason, Count: 1})
}
