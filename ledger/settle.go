package ledger

import (
	"context"
	"slices"
	"time"
)

// settleFor is how long the completions are followed for an outcome that only they can show.
const settleFor = time.Minute

// complete waits for the completion of an attempt that was accepted, or for that of an earlier one that
// was executed.
func (x *submission) complete(ctx context.Context, id string) (Outcome, verdict, error) {
	for {
		c, err := x.tracker.next(ctx, append(slices.Clone(x.doubted), id))
		switch {
		case err != nil: // accepted, and nothing more is known
			v := judge(err)
			v.doubt, v.duplicate = true, false
			return Outcome{}, v, err
		case c.err == nil:
			return x.completed(c), verdict{}, nil
		case c.submissionID == id: // it was certainly not executed
			v := judge(c.err)
			v.doubt = false
			return Outcome{}, v, c.err
		}
		x.settled(c)
	}
}

// duplicate is the outcome of a command that has been accepted before, as why says. It is not known by
// whom if the node does not say, and an attempt in doubt may have been the one.
func (x *submission) duplicate(ctx context.Context, v verdict, why error) (Outcome, error) {
	own := slices.Contains(x.ids, v.existing)
	if x.s.Completions != nil && (own || v.existing == "" && len(x.doubted) > 0) { // they know whose it was, and the update's ID
		if own {
			x.doubted = []string{v.existing}
		}
		if c, ok := x.follow(ctx, askTimeout); ok {
			return x.completed(c), nil
		}
	}
	outcome := x.outcome()
	outcome.CompletionOffset = v.offset
	x.learned(outcome)
	if v.existing == "" && len(x.doubted) > 0 && !x.acceptEarlier {
		return outcome, x.unknown(why)
	}
	outcome.Earlier = !own
	return outcome, nil
}

// settle finds out about the attempts in doubt, by their completions. why is what was met last.
func (x *submission) settle(ctx context.Context, why error) (Outcome, error) {
	if len(x.doubted) > 0 && x.s.Completions != nil {
		if c, ok := x.follow(ctx, settleFor); ok {
			return x.completed(c), nil
		}
		if x.earlier != nil {
			return x.duplicate(ctx, *x.earlier, why)
		}
	}
	return x.outcome(), x.ended(why)
}

// follow follows the completions of the attempts in doubt for a while, until one of them turns out to
// have been executed. Those that were not are in doubt no longer.
func (x *submission) follow(ctx context.Context, lasts time.Duration) (completion, bool) {
	x.track(ctx)
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	for len(x.doubted) > 0 {
		c, err := x.tracker.next(ctx, x.doubted)
		if err != nil {
			return completion{}, false
		}
		if c.err == nil {
			return c, true
		}
		x.settled(c)
	}
	return completion{}, false
}

// settled takes in the completion of an attempt that was not executed.
func (x *submission) settled(c completion) {
	x.doubted = slices.DeleteFunc(x.doubted, func(id string) bool { return id == c.submissionID })
	if v := judge(c.err); v.duplicate && !slices.Contains(x.ids, v.existing) {
		x.earlier = &v
	}
}
