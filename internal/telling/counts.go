package telling

import "github.com/cantonlb/cantonlb/report"

// Transitions are the counts of an endpoint's transitions, in order of their first
// occurrence.
type Transitions []report.TransitionCount

// fewTransitions is the number of different transitions of an endpoint that stays
// healthy.
const fewTransitions = 4

// Count adds a transition.
func (t *Transitions) Count(to report.EndpointState, reason report.Reason) {
	reason = reason.Bounded()
	for i := range *t {
		if c := &(*t)[i]; c.To == to && c.Reason == reason {
			c.Count++
			return
		}
	}
	if *t == nil {
		*t = make(Transitions, 0, fewTransitions)
	}
	*t = append(*t, report.TransitionCount{To: to, Reason: reason, Count: 1})
}

// Growth returns the growth since before of those totals that are recorded periodically.
func Growth(t, before report.Totals) report.Totals {
	t.NoneEligibleTime -= before.NoneEligibleTime
	t.Rescued -= before.Rescued
	t.Retried -= before.Retried
	t.RetriesRefused -= before.RetriesRefused
	t.Hedged -= before.Hedged
	t.HedgesWon -= before.HedgesWon
	t.HedgesRefused -= before.HedgesRefused
	return t
}
