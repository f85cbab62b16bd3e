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
	delay  time.Duration
	timer  *time.Timer

	// mu guards what follows. No other lock is taken while it is held.
	mu      sync.Mutex
	winner  *outcome // of the hedge that has won; nil if none has
	over    bool     // an attempt of the caller's goroutine has won, or the call has ended
	cancels []context.CancelFunc
	running int           // hedges that have not returned
	changed chan struct{} // has a value after running or winner has changed; nil before the first hedge
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
	x := &race{r: r, ctx: ctx, record: record, invoke: invoke, reply: reply, kind: kind, opts: opts, delay: delay}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.timer = time.AfterFunc(delay, x.look)
	return x
}

// leastPause is how long the race waits at least after a hedge that found no endpoint
// or no budget.
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
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	if !x.enter(cancel) {
		return
	}
	hedge := x.record.NewHedge(cancel)
	x.again(x.delay) // it may take long, too
	o := x.attempt(attempt.NewContext(ctx, hedge))
	if hedge.Newest().Number == 0 { // it was not made
		x.again(max(x.delay, leastPause))
	}
	x.leave(hedge, o)
}

// again sets the timer, unless the call has ended.
func (x *race) again(wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over && x.winner == nil {
		x.timer.Reset(wait)
	}
}

// enter counts a hedge. It returns false if the call has ended.
func (x *race) enter(cancel context.CancelFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.winner != nil {
		return false
	}
	if x.changed == nil {
		x.changed = make(chan struct{}, 1)
	}
	x.running++
	x.cancels = append(x.cancels, cancel)
	return true
}

// leave ends a hedge. If it is the first that was answered, it has won.
func (x *race) leave(hedge *attempt.Record, o *outcome) {
	won := attempt.IsAnswer(o.err) && x.claim(o)
	if won {
		x.record.Beat(hedge)
		x.record.Cancel()
		x.r.tally.HedgeWon()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running--
	x.signalLocked()
}

func (x *race) claim(o *outcome) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.winner != nil {
		return false
	}
	x.winner = o
	for _, cancel := range x.cancels {
		cancel()
	}
	return true
}

func (x *race) signalLocked() {
	select {
	case x.changed <- struct{}{}:
	default:
	}
}

// attempt makes one attempt with a reply and options of its own.
func (x *race) attempt(ctx context.Context) *outcome {
	o := &outcome{reply: x.kind.empty()}
	opts := make([]grpc.CallOption, 0, len(x.opts)+mostCaptured)
	for _, option := range x.opts {
		switch option.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption:
		default:
			opts = append(opts, option)
		}
	}
	opts = append(opts, grpc.Header(&o.header), grpc.Trailer(&o.trailer), grpc.Peer(&o.peer))
	o.err = x.invoke(ctx, o.reply, opts)
	return o
}

// mostCaptured is how many options a hedge has besides those of the call.
const mostCaptured = 3

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

// settle is called after each round of the caller's goroutine, which ended with err. It
// returns the error of the call if a hedge has won. If the round was not answered, it
// waits for the hedges that are under way.
func (x *race) settle(err error) (won bool, _ error) {
	if x == nil {
		return false, nil
	}
	x.mu.Lock()
	if attempt.IsAnswer(err) && x.winner == nil {
		x.over = true
	}
	for !x.over && x.winner == nil && x.running > 0 {
		x.mu.Unlock()
		<-x.changed
		x.mu.Lock()
	}
	o := x.winner
	x.mu.Unlock()
	if o == nil {
		return false, nil
	}
	x.end()
	o.adopt(x.reply, x.opts)
	return true, o.err
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
	for _, cancel := range x.cancels {
		cancel()
	}
	for x.running > 0 {
		x.mu.Unlock()
		<-x.changed
		x.mu.Lock()
	}
}
