package pick

import (
	"sync/atomic"

	"github.com/cantonlb/cantonlb/report"
)

// counters are the accounts of the calls on one connection, and whether it may be
// picked. They are written by every call, on a cache line of their own.
type counters struct {
	// admitted is how many calls were given to the connection, and in eligibleBit
	// whether more may be. They share a word, so that one atomic step counts a call
	// and asks: no call slips in between the two.
	admitted atomic.Uint64
	heard    atomic.Uint64 // of those, ended with bytes received
	unheard  atomic.Uint64 // of those, ended without
	failed   atomic.Uint64 // of those, ended with an error that speaks against the endpoint
}

const eligibleBit = 1 << 63

// Step counts a call that is given to the connection, and tells whether it is
// eligible. If the call is not given to it because it is not, StepBack follows.
func (n *counters) Step() (eligible bool) { return int64(n.admitted.Add(1)) < 0 }

// StepBack takes a step back.
func (n *counters) StepBack() { n.admitted.Add(^uint64(0)) }

// Eligible tells whether the connection may be picked. It flips the moment that
// something is known, ahead of the next snapshot.
func (n *counters) Eligible() bool { return n.admitted.Load() >= eligibleBit }

// SetEligible says whether the connection may be picked.
func (n *counters) SetEligible(eligible bool) {
	if eligible {
		n.admitted.Or(eligibleBit)
	} else {
		n.admitted.And(^uint64(eligibleBit))
	}
}

// Heard returns how many calls were answered.
func (n *counters) Heard() uint64 { return n.heard.Load() }

// Counts returns the accounts.
func (n *counters) Counts() report.CallStats {
	heard, unheard := n.heard.Load(), n.unheard.Load()
	picked := n.admitted.Load() &^ eligibleBit // last, so that InFlight cannot be negative
	return report.CallStats{Picked: picked, InFlight: picked - heard - unheard, Heard: heard, Failed: n.failed.Load()}
}

// Sum returns the counts of both.
func Sum(a, b report.CallStats) report.CallStats {
	return report.CallStats{
		Picked: a.Picked + b.Picked, InFlight: a.InFlight + b.InFlight,
		Heard: a.Heard + b.Heard, Failed: a.Failed + b.Failed,
	}
}
