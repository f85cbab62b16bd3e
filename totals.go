package cantonlb

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/endpointset"
)

// TransitionCount is how often an endpoint came into a state for a reason. A
// reason that is none of healthcheck.Reasons counts as healthcheck.ReasonOther.
type TransitionCount struct {
	To     State
	Reason healthcheck.Reason
	Count  uint64
}

// Totals are the accounts of a client as a whole.
type Totals struct {
	// Rescued is how many calls were called off on an endpoint that became unhealthy
	// under them, Retried how many had failed; both were made again on another
	// endpoint. RetriesRefused is how often the retry budget did not allow that.
	// What grpc's own retryPolicy does is not counted.
	Rescued, Retried, RetriesRefused uint64
	// NoneEligible is how often it came to pass that no endpoint is eligible, and
	// NoneEligibleTime for how long in all, up to now.
	NoneEligible     uint64
	NoneEligibleTime time.Duration
	// ListsAccepted are the lists of endpoints that changed something, the first
	// included, and ListsRefused those that were wrong.
	ListsAccepted, ListsRefused uint64
}

func newTotals(t endpointset.Totals) Totals {
	return Totals{
		Rescued: t.Retries.Rescued, Retried: t.Retries.Retried, RetriesRefused: t.Retries.Refused,
		NoneEligible: t.NoneEligible, NoneEligibleTime: t.NoneEligibleTime,
		ListsAccepted: t.ListsAccepted, ListsRefused: t.ListsRefused,
	}
}

func newTransitions(counts []endpointset.TransitionCount) []TransitionCount {
	out := make([]TransitionCount, 0, len(counts))
	for _, c := range counts {
		out = append(out, TransitionCount{To: State(c.To), Reason: c.Reason, Count: c.Count})
	}
	return out
}
