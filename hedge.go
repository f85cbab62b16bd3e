package cantonlb

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// race is one call that may be hedged. Its first attempt, and those that reissue it,
// are made by the caller's goroutine and decode into the caller's reply. Each hedge
// has a goroutine, a reply and call options of its own. The first answer wins. Before
// the call returns, the other attempts are canceled and have returned, so that nothing
// reads the request or writes the reply afterwards.
type race struct {
	r      *rescuer
	ctx    context.Context //nolint:containedctx // the call's
	record *attempt.Record
	invoke func(ctx context.Context, reply any, opts []grpc.CallOption) error
	reply  any
	kind   replyKind
	opts   []grpc.CallOption
	began  time.Duration // by the clock of the record's method
	delay  time.Duration
	timer  *time.Timer

	// mu guards what follows. No other lock is taken while it is held.
	mu      sync.Mutex
	winner  *outcome        // of the hedge that has won; nil if none has
	over    bool            // an attempt of the caller's goroutine has won, or the call has ended
	hedges  []*hedgeAttempt // that have not returned
	unwell  int             // those of them whose endpoints have become unhealthy
	changed chan struct{}   // has a value after one of these has changed; nil before the first hedge

	replacing bool // a hedge runs in place of an attempt that has failed
	nowhere   bool // there was no endpoint or no budget for the last one of these
}

// newRace returns the race of a call, or nil if the call is not hedged.
func (r *rescuer) newRace(ctx context.Context, record *attempt.Record, method string, reply any, opts []grpc.CallOption,
	invoke func(context.Context, any, []grpc.CallOption) error,
) *race {
	if !r.hedges || record.Method == nil {
		return nil
	}
	now := record.Method.Now()
	delay, known := record.Method.Delay(now)
	if !known {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return nil
	}
	kind, ok := kindOf(reply)
	if !ok {
		r.skipped.note(method, reply)
		return nil
	}
	x := &race{r: r, ctx: ctx, record: record, invoke: invoke, reply: reply, kind: kind, opts: opts, began: now, delay: delay}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timer = time.AfterFunc(delay, x.look)
	return x
}

// leastPause is how long the race waits at least after a hedge that found no endpoint
// or no budget. It waits half as long as the call has lasted if that is longer, since
// stats handlers see each of them as a call that has failed.
const leastPause = 100 * time.Millisecond

// look makes a hedge if it is time. The timer calls it.
func (x *race) look() {
	wait, ok := x.record.NextHedge(x.record.Method.Now(), x.delay)
	if !ok {
		return
	}
	if wait > 0 {
		x.again(wait)
		return
	}
	h := x.enter(x.r.allowHedge, false)
	if h == nil {
		return
	}
	x.again(x.delay) // it may take long, too
	if !h.run() {
		x.again(max(x.delay, leastPause, (x.record.Method.Now()-x.began)/2))
	}
}

// again sets the timer, unless the call has ended.
func (x *race) again(wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over && x.winner == nil {
		x.timer.Reset(wait)
	}
}

func (x *race) claim(o *outcome) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.winner != nil {
		return false
	}
	x.winner = o
	x.cancelLocked()
	return true
}

func (x *race) cancelLocked() {
	for _, h := range x.hedges {
		h.cancel()
	}
}

func (x *race) signalLocked() {
	select {
	case x.changed <- struct{}{}:
	default:
	}
}

// won reports whether a hedge has won. A round of the caller's goroutine that has
// begun since is then canceled.
func (x *race) won() bool {
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.winner != nil
}

// verdict is what counts after a round of the caller's goroutine.
type verdict uint8

const (
	// ownCounts: the result of the round, after which there may be another one.
	ownCounts verdict = iota
	// anotherRound: the call is reissued, and was charged to the budget.
	anotherRound
	// hedgeCounts: the answer of a hedge, which adopt returns.
	hedgeCounts
)

// await is called after each round of the caller's goroutine, which ended with err. If
// the round was not answered, it waits for the hedges that are under way: those on
// endpoints that have become unhealthy only if there may be no other round.
func (x *race) await(err error) verdict {
	if x == nil {
		return ownCounts
	}
	answered := x.record.Answered(err)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil || answered && x.winner == nil {
		x.over, x.winner = true, nil // a success counts more than the error of a hedge
	}
	for !x.over && x.winner == nil && len(x.hedges) > 0 {
		unwell := x.unwell == len(x.hedges)
		x.mu.Unlock()
		again, pause := x.record.MayAgain(err), x.record.Pause()
		switch {
		case !again || pause > 0: // a server may have asked for that
		case unwell && x.r.again(x.ctx, x.record, err):
			x.mu.Lock()
			return anotherRound
		default:
			x.replace()
		}
		x.wait(again, pause)
		x.mu.Lock()
	}
	if x.winner != nil {
		return hedgeCounts
	}
	return ownCounts
}

// wait waits until something has changed or, if the call may be reissued after a pause,
// until that is over.
func (x *race) wait(again bool, pause time.Duration) {
	if !again || pause == 0 {
		<-x.changed
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-x.changed:
	case <-timer.C:
	}
}

// replace makes a hedge at once in place of the attempt that has failed, within the
// budget of retries, unless there is one or there was no endpoint for it.
func (x *race) replace() {
	x.mu.Lock()
	none := x.replacing || x.nowhere
	x.replacing = x.replacing || !none
	x.mu.Unlock()
	if none {
		return
	}
	if h := x.enter(x.allowInstead, true); h != nil {
		go h.run()
	}
}

// allowInstead reports whether there is a retry for an attempt that is made beside the
// hedges of the call, and counts it: the one that was taken when the round was called
// off, or else one of the budget.
func (x *race) allowInstead() bool {
	ok := x.record.UseCharge() || x.r.allow()
	if ok {
		x.r.tally.Retried()
	}
	return ok
}

// adopt returns the error of the hedge that has won, and passes on what it received.
func (x *race) adopt() error {
	x.end()
	x.winner.adopt(x.reply, x.opts)
	return x.winner.err
}

// end cancels the hedges that are under way, and returns once they have returned. It
// may be called more than once, and on a nil race.
func (x *race) end() {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	x.timer.Stop()
	x.cancelLocked()
	for len(x.hedges) > 0 {
		x.mu.Unlock()
		<-x.changed
		x.mu.Lock()
	}
}
