package quorum

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
)

// ReadPosition reads how far members are, and returns a position that at least one
// honest member has reached: of 2 Agree - 1 answers the Agree-th highest. Up to Agree
// - 1 members that lie can move it neither beyond the furthest honest member nor below
// the slowest honest member that was asked. A read at that position, with ReadAt, is
// therefore at most as stale as the slowest honest member.
//
// Config.ErrorKey is not used. See Read for the rest.
func ReadPosition[P cmp.Ordered](ctx context.Context, members *Members, cfg Config,
	ask func(context.Context, Member) (P, error),
) (P, Verdict, error) {
	cfg.ErrorKey = nil
	q := &question[P]{
		members: members, cfg: cfg, ask: ask, key: func(P) string { return "" },
		again: cfg.AskAgain, moving: true, positions: true, freshness: FreshnessStalePossible,
	}
	p, v, err := q.read(ctx)
	if err != nil {
		return p, v, err
	}
	slices.SortFunc(q.values, func(a, b P) int { return cmp.Compare(b, a) })
	return q.values[v.Agree-1], v, nil
}

// ReadAt is Read of a value as of a position, such as one of ReadPosition. ask reads
// the value at that position from a member, and returns a *BehindError if the member
// has not reached it; see AtLeast. Members are asked again, after a pause, until
// enough of them have reached the position and agree, or the deadline has passed. The
// verdict's freshness is FreshnessAtPosition.
func ReadAt[T, P any](ctx context.Context, members *Members, cfg Config, at P,
	ask func(context.Context, Member, P) (T, error), key func(T) string,
) (T, Verdict, error) {
	q := &question[T]{members: members, cfg: cfg, key: key, again: true, freshness: FreshnessAtPosition}
	if ask != nil {
		q.ask = func(ctx context.Context, m Member) (T, error) { return ask(ctx, m, at) }
	}
	return q.read(ctx)
}

// AtLeast returns an ask function that refuses answers from before a position with a
// *BehindError, so that reads do not go back in time when another member answers. of
// returns the position of an answer.
func AtLeast[T any, P cmp.Ordered](at P, of func(T) P, ask func(context.Context, Member) (T, error)) func(context.Context, Member) (T, error) {
	return func(ctx context.Context, m Member) (T, error) {
		value, err := ask(ctx, m)
		if err != nil {
			return value, err
		}
		if p := of(value); cmp.Less(p, at) {
			var zero T
			return zero, &BehindError{Member: m.Name, At: fmt.Sprint(p), Want: fmt.Sprint(at)}
		}
		return value, nil
	}
}

// HighWater holds the highest position that a program has seen. Raise it only to
// positions that members have agreed on, or that ReadPosition has returned. A position
// of a single member could prevent all others from answering. Its zero value is at P's
// zero value. It is safe for concurrent use.
type HighWater[P cmp.Ordered] struct {
	mu sync.Mutex
	at P
}

// Raise moves it to p if p is higher, and returns its position.
func (h *HighWater[P]) Raise(p P) P {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cmp.Less(h.at, p) { // not max, which NaN would win
		h.at = p
	}
	return h.at
}

// At returns its position.
func (h *HighWater[P]) At() P {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}
