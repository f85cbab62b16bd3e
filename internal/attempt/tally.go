package attempt

import "sync/atomic"

// Tally counts the calls of one client that were reissued, or were to be. Its zero
// value is ready for use, and a nil *Tally counts nothing. It is safe for
// concurrent use.
type Tally struct {
	rescued, retried, refused        atomic.Uint64
	hedged, hedgesWon, hedgesRefused atomic.Uint64
}

// Totals holds the counts of a Tally.
type Totals struct {
	// Rescued counts calls that were called off on an endpoint that became
	// unhealthy, Retried those that had failed; both were reissued. Refused counts
	// calls that were not reissued because the retry budget was spent.
	Rescued, Retried, Refused uint64
	// Hedged counts attempts beside others of the same call, and HedgesWon those that
	// were answered first. HedgesRefused counts those for which the budget had nothing
	// left.
	Hedged, HedgesWon, HedgesRefused uint64
}

// Rescued counts a call that was called off and is reissued.
func (t *Tally) Rescued() {
	if t != nil {
		t.rescued.Add(1)
	}
}

// Retried counts a call that has failed and is reissued.
func (t *Tally) Retried() {
	if t != nil {
		t.retried.Add(1)
	}
}

// Refused counts a call that was not reissued because the budget was spent.
func (t *Tally) Refused() {
	if t != nil {
		t.refused.Add(1)
	}
}

// Hedged counts a hedge.
func (t *Tally) Hedged() {
	if t != nil {
		t.hedged.Add(1)
	}
}

// HedgeWon counts a hedge that was answered first.
func (t *Tally) HedgeWon() {
	if t != nil {
		t.hedgesWon.Add(1)
	}
}

// HedgeRefused counts a hedge that was not made because the budget was spent.
func (t *Tally) HedgeRefused() {
	if t != nil {
		t.hedgesRefused.Add(1)
	}
}

// Totals returns the counts so far.
func (t *Tally) Totals() Totals {
	if t == nil {
		return Totals{}
	}
	return Totals{
		Rescued: t.rescued.Load(), Retried: t.retried.Load(), Refused: t.refused.Load(),
		Hedged: t.hedged.Load(), HedgesWon: t.hedgesWon.Load(), HedgesRefused: t.hedgesRefused.Load(),
	}
}
