package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/attempt"
)

// telemetry is what a Set keeps in order to tell of itself. Set.mu guards it.
type telemetry struct {
	options    Options   // of the newest list
	reporter   *reporter // writes the events to the log; nil before the first
	totals     Totals    // without what totalsLocked adds
	recorded   Totals    // what the metrics have of them
	progressed time.Time // when that was brought up to date
	unrecorded bool      // there may be more of it
	unregister func()    // ends the asking for metrics
}

// TransitionCount is how often an endpoint has come into a state for a reason.
type TransitionCount struct {
	To     State
	Reason healthcheck.Reason // one of healthcheck.Reasons
	Count  uint64
}

// Totals are the accounts of a whole set.
type Totals struct {
	// Retries are the calls that were made again.
	Retries attempt.Totals
	// NoneEligible is how often it came to pass that no endpoint is eligible, and
	// NoneEligibleTime for how long in all, up to now.
	NoneEligible     uint64
	NoneEligibleTime time.Duration
	// ListsAccepted are the lists that changed something, and ListsRefused those
	// that were wrong.
	ListsAccepted, ListsRefused uint64
}

// totalsLocked gives the accounts as of now.
func (s *Set) totalsLocked(now time.Time) Totals {
	t := s.totals
	t.Retries = s.options.Retries.Totals()
	if !s.none.IsZero() {
		t.NoneEligibleTime += now.Sub(s.none)
	}
	return t
}

// countLocked takes an event into the accounts, and into the metrics.
func (s *Set) countLocked(e Event) {
	switch e.To {
	case noneEligible:
		s.totals.NoneEligible++
	case someEligible:
		s.totals.NoneEligibleTime += e.Held
	case listAccepted:
		s.totals.ListsAccepted++
	case listRefused:
		s.totals.ListsRefused++
	default: // an endpoint, which keeps its own
	}
	s.after = append(s.after, func() { s.metrics.event(e) })
}

// fewTransitions is how many different ones an endpoint makes that stays healthy.
const fewTransitions = 4

// countLocked takes a transition into the endpoint's accounts.
func (e *endpoint) countLocked(to State, reason healthcheck.Reason) {
	reason = reason.Bounded()
	for i := range e.transitions {
		if t := &e.transitions[i]; t.To == to && t.Reason == reason {
			t.Count++
			return
		}
	}
	if e.transitions == nil {
		e.transitions = make([]TransitionCount, 0, fewTransitions)
	}
	e.transitions = append(e.transitions, TransitionCount{To: to, Reason: reason, Count: 1})
}
