package quorum

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Read asks members the same question until enough of them have given the same answer,
// and returns that answer with a verdict on how it came about.
//
// ask asks one member. It must return when its context ends, which it does as soon as
// the read is decided, and be safe for concurrent use; Read does not wait for the asks
// that it has called off. key returns what is compared of an answer: two answers are the
// same if their keys are. Whatever the key does not cover is the word of a single member.
// Errors never agree, unless Config.ErrorKey makes answers of them; then an error on
// which members agree is what Read returns, beside a verdict. An error marked by Invalid
// makes its member dissent.
//
// Without an agreement the error is a *NoQuorumError, which names the members that
// agreed, differed and failed. One value is kept for each different answer, so at most
// as many as there are members.
func Read[T any](ctx context.Context, members *Members, cfg Config,
	ask func(context.Context, Member) (T, error), key func(T) string,
) (T, Verdict, error) {
	q := &question[T]{
		members: members, cfg: cfg, ask: ask, key: key,
		again: cfg.AskAgain, moving: cfg.AskAgain, freshness: FreshnessStalePossible,
	}
	return q.read(ctx)
}

// question is one read.
type question[T any] struct {
	members   *Members
	cfg       Config
	ask       func(context.Context, Member) (T, error)
	key       func(T) string
	again     bool // ask all again if there is no agreement
	moving    bool // and answers that differ are no dissent
	positions bool // collect 2 * agree - 1 answers rather than equal ones
	freshness Freshness

	values []T // of the answer that was agreed on; one unless positions
}

// read returns the first value of the answer that was agreed on.
func (q *question[T]) read(ctx context.Context) (zero T, v Verdict, err error) {
	if q.members == nil || q.ask == nil || q.key == nil {
		return zero, v, errors.New("quorum: members, ask or key: nil; want all three")
	}
	began := time.Now()
	if _, ok := ctx.Deadline(); !ok {
		limit := q.cfg.Timeout
		if limit <= 0 {
			limit = defaultTimeout
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	asked := 0
	for n := 1; ; n++ {
		r, err := q.newRound()
		if err != nil {
			return zero, v, err
		}
		end := r.run(ctx, n)
		if n == 1 || end.cause == nil || r.tally.answered+r.tally.failed > 0 {
			v = r.verdict(end) // one that was cut short before any answer says less than the one before
		}
		asked += r.next
		v.Asked, v.Rounds, v.Took, v.Freshness = asked, n, time.Since(began), q.freshness
		q.members.settle(r.notes(end), end.outlook == decided)
		if end.outlook == decided {
			q.members.ended(v, true, nil)
			q.values = end.values
			return end.values[0], v, end.err
		}
		if !q.again || end.cause != nil || !pause(ctx, n) {
			if end.cause == nil {
				end.cause = ctx.Err()
			}
			err := &NoQuorumError{Verdict: v, cause: end.cause}
			q.members.ended(v, errors.Is(end.cause, context.Canceled), err)
			return zero, v, err
		}
	}
}

// pause waits before another round. It returns false if ctx ends first.
func pause(ctx context.Context, round int) bool {
	d := min(firstPause<<min(round-1, 5), maxPause)
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newRound makes a round with the members as they are now.
func (q *question[T]) newRound() (*round[T], error) {
	list, well := q.members.candidates()
	agree, ask, err := q.cfg.thresholds(len(list))
	if err != nil {
		return nil, err
	}
	need := agree
	if q.positions {
		if need = 2*agree - 1; need > len(list) {
			return nil, fmt.Errorf("quorum: agree %d of %d members: a position takes %d answers; want agree to be at most %d",
				agree, len(list), need, (len(list)+1)/2)
		}
	}
	if ask == 0 {
		if ask = need; well < need {
			ask = min(2*agree-1, len(list))
		}
	}
	return &round[T]{
		q: q, list: list, tally: tally{agree: need, first: ask, n: len(list)},
		seats: make([]seat, len(list)), replies: make(chan reply[T], len(list)),
	}, nil
}

// round asks each member at most once. It is for one goroutine.
type round[T any] struct {
	q       *question[T]
	list    []candidate
	tally   tally
	next    int // the first that was not asked
	seats   []seat
	replies chan reply[T] // has room for all, so that none who replies waits
	kept    []reply[T]    // the first of each answer, or all of a position
	number  int           // of the round, from 1
	began   time.Time
	first   time.Duration // until the first reply; 0 before it
	hedge   time.Duration // the longest of those that were asked
}

// seat is what became of one candidate.
type seat struct {
	asked    time.Time
	slowAt   time.Time
	slow     bool
	answered bool
	took     time.Duration
	key      digest
	err      error // that it failed with, or that makes its answer invalid
}

// reply is what an ask returned.
type reply[T any] struct {
	i     int
	value T
	err   error
	key   digest
	took  time.Duration
	ok    bool // it counts as an answer
}

// ending is how a round ended.
type ending[T any] struct {
	outlook outlook
	winner  digest
	values  []T
	err     error // the error that was agreed on, if it was one
	cause   error // the context's, if that ended it
}

// run asks until the round is decided, cannot be, or ctx ends.
func (r *round[T]) run(ctx context.Context, number int) ending[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.number, r.began = number, time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	r.launch(ctx, r.tally.start().ask)
	for {
		timer.Reset(r.untilDue(ctx))
		var a advice
		select {
		case <-ctx.Done():
			return ending[T]{cause: ctx.Err()}
		case got := <-r.replies:
			if got.err != nil && !got.ok && ctx.Err() != nil {
				return ending[T]{cause: ctx.Err()} // it was called off with us
			}
			r.first = cmp.Or(r.first, time.Since(r.began))
			a = r.take(got)
		case <-timer.C:
			a = r.markSlow(ctx)
		}
		r.launch(ctx, a.ask)
		switch {
		case a.outlook == decided:
			return r.decided(a.winner)
		case a.outlook == impossible, a.outlook == stalled && r.mayAskAgain() && !time.Now().Before(r.patient(ctx)):
			return ending[T]{outlook: a.outlook}
		}
	}
}

func (r *round[T]) launch(ctx context.Context, n int) {
	now := time.Now()
	for ; n > 0; n-- {
		i := r.next
		r.next++
		hedge := r.list[i].hedge
		if r.q.cfg.HedgeAfter > 0 {
			hedge = r.q.cfg.HedgeAfter
		}
		if end, ok := ctx.Deadline(); ok {
			hedge = min(hedge, end.Sub(now)/4)
		}
		r.hedge = max(r.hedge, hedge)
		r.seats[i].asked, r.seats[i].slowAt = now, now.Add(max(hedge, time.Millisecond))
		go r.q.askOne(ctx, i, r.list[i].member, now, r.replies)
	}
}

// askOne asks one member and hands in what it said, without waiting.
func (q *question[T]) askOne(ctx context.Context, i int, m Member, began time.Time, replies chan<- reply[T]) {
	value, err := q.ask(ctx, m)
	got := reply[T]{i: i, took: time.Since(began), err: err}
	var invalid *invalidError
	switch {
	case err == nil:
		got.value, got.ok, got.key = value, true, sum('v', q.key(value))
	case ctx.Err() != nil: // it was called off, and may be the same at all members
	case errors.As(err, &invalid):
	case q.cfg.ErrorKey != nil:
		if key, ok := q.cfg.ErrorKey(err); ok {
			got.ok, got.key = true, sum('e', key)
		}
	}
	replies <- got
}

func sum(kind byte, key string) digest {
	h := sha256.New()
	h.Write([]byte{kind})
	h.Write([]byte(key))
	return digest(h.Sum(nil))
}

// take counts a reply.
func (r *round[T]) take(got reply[T]) advice {
	s := &r.seats[got.i]
	s.took, s.answered = got.took, true
	if !got.ok {
		s.err = got.err
		return r.tally.fail(s.slow)
	}
	s.key = got.key
	if r.q.positions || !r.has(got.key) {
		r.kept = append(r.kept, got)
	}
	return r.tally.answer(got.key, s.slow)
}

func (r *round[T]) has(key digest) bool {
	for i := range r.kept {
		if r.kept[i].key == key {
			return true
		}
	}
	return false
}

// decided ends the round with an answer.
func (r *round[T]) decided(winner digest) ending[T] {
	end := ending[T]{outlook: decided, winner: winner}
	for _, k := range r.kept {
		if k.key == winner {
			end.values, end.err = append(end.values, k.value), k.err
		}
	}
	return end
}
