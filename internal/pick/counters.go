package pick

import (
	"sync/atomic"

	"github.com/cantonlb/cantonlb/report"
)

// counters counts the calls on one connection, and holds whether it may be picked.
// Every call writes it, so it has cache lines of its own.
type counters struct {
	// admitted is how many calls were sent to the connection. Its eligibleBit is
	// whether more may be. They share a word, so that one atomic operation counts a
	// call and checks the bit: no call gets in between the two.
	admitted atomic.Uint64
	heard    atomic.Uint64 // of those, ended with bytes received
	unheard  atomic.Uint64 // of those, ended without
	failed   atomic.Uint64 // of those, ended with an error that is evidence against the endpoint
	denied   atomic.Uint64 // of those, answered with UNAUTHENTICATED or PERMISSION_DENIED

	// streams is one more than how many calls there may be at once; 0 is no limit. Every
	// call reads it together with the counts.
	streams atomic.Int64
}

const eligibleBit = 1 << 63

// Step counts a call that is sent to the connection, and reports whether the
// connection is eligible. If it is not, and the call is therefore not sent, StepBack
// must follow.
func (n *counters) Step() (eligible bool) { return int64(n.admitted.Add(1)) < 0 }

// StepBack undoes a Step.
func (n *counters) StepBack() { n.admitted.Add(^uint64(0)) }

// Eligible reports whether the connection may be picked. It changes as soon as the
// state does, before the next snapshot.
func (n *counters) Eligible() bool { return n.admitted.Load() >= eligibleBit }

// SetEligible sets whether the connection may be picked.
func (n *counters) SetEligible(eligible bool) {
	if eligible {
		n.admitted.Or(eligibleBit)
	} else {
		n.admitted.And(^uint64(eligibleBit))
	}
}

// Heard returns how many calls were answered.
func (n *counters) Heard() uint64 { return n.heard.Load() }

// Vouched returns how many calls were answered otherwise than by a denial. A denial
// does not show that the server would grant a health check.
func (n *counters) Vouched() uint64 { return n.heard.Load() - n.denied.Load() }

// inFlight returns how many calls have not ended.
func (n *counters) inFlight() float64 {
	ended := n.heard.Load() + n.unheard.Load()
	return float64(n.admitted.Load()&^eligibleBit - ended) // last, so that it cannot be negative
}

// Counts returns the counts.
func (n *counters) Counts() report.CallStats {
	heard, unheard := n.heard.Load(), n.unheard.Load()
	picked := n.admitted.Load() &^ eligibleBit // last, so that InFlight cannot be negative
	return report.CallStats{Picked: picked, InFlight: picked - heard - unheard, Heard: heard, Failed: n.failed.Load()}
}

// Sum returns the sums of the counts of both.
func Sum(a, b report.CallStats) report.CallStats {
	return report.CallStats{
		Picked: a.Picked + b.Picked, InFlight: a.InFlight + b.InFlight,
		Heard: a.Heard + b.Heard, Failed: a.Failed + b.Failed,
	}
}
