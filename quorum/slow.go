package quorum

import (
	"context"
	"time"
)

// outstanding reports whether a candidate may still answer.
func (s *seat) outstanding() bool { return !s.asked.IsZero() && !s.answered }

// mayAskAgain reports whether another round could bring other answers: those that are
// slow are only called off by it.
func (r *round[T]) mayAskAgain() bool { return r.q.again && r.tally.answered+r.tally.failed > 0 }

// patient returns until when a round that is followed by another one waits for members
// that are slow. Each round waits twice as long as the one before, so that members that
// have become slow are heard, and for as long again as the first reply took, but leaves
// time for another round.
func (r *round[T]) patient(ctx context.Context) time.Time {
	wait := max(r.hedge<<min(r.number-1, 10), 2*r.first)
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, end.Sub(r.began)/2)
	}
	return r.began.Add(wait)
}

// untilDue returns how long it is until an outstanding member counts as slow, or the
// patience with those that do is at its end.
func (r *round[T]) untilDue(ctx context.Context) time.Duration {
	const never = time.Hour
	wait := never
	for i := range r.seats[:r.next] {
		if s := &r.seats[i]; s.outstanding() && !s.slow {
			wait = min(wait, time.Until(s.slowAt))
		}
	}
	if left := time.Until(r.patient(ctx)); left > 0 && r.mayAskAgain() {
		wait = min(wait, left)
	}
	return wait
}

// markSlow marks the members that have become slow, and asks further members in between.
func (r *round[T]) markSlow(ctx context.Context) (a advice) {
	now := time.Now()
	a = r.tally.advise() // the same as after the last step
	for i := range r.seats[:r.next] {
		s := &r.seats[i]
		if s.outstanding() && !s.slow && !now.Before(s.slowAt) {
			s.slow = true
			a = r.tally.late()
			r.launch(ctx, a.ask)
			a.ask = 0
		}
	}
	return a
}
