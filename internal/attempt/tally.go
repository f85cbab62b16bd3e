package attempt

import "sync/atomic"

// Tally counts what became of the calls of one client that were to be made again.
// Its zero value is ready for use, and a nil *Tally counts nothing. It is safe for
// concurrent use.
type Tally struct {
	rescued, retried, refused atomic.Uint64
}

// Totals are what a Tally has counted.
type Totals struct {
	// Rescued calls were called off on an endpoint that became unhealthy, and
	// Retried ones had failed; both were made again. Refused ones were not, because
	// the retry budget was spent.
	Rescued, Retried, Refused uint64
}

// Rescued counts a call that was called off and is made again.
func (t *Tally) Rescued() {
	if t != nil {
		t.rescued.Add(1)
	}
}

// Retried counts a call that has failed and is made again.
func (t *Tally) Retried() {
	if t != nil {
		t.retried.Add(1)
	}
}

// Refused counts a call that would have been made again but for the budget.
func (t *Tally) Refused() {
	if t != nil {
		t.refused.Add(1)
	}
}

// Totals gives the counts so far.
func (t *Tally) Totals() Totals {
	if t == nil {
		return Totals{}
	}
	return Totals{Rescued: t.rescued.Load(), Retried: t.retried.Load(), Refused: t.refused.Load()}
}
