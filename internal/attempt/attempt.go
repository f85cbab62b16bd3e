// Package attempt carries the record of one call between the client's interceptors
// and the picker.
//
// # Why
//
// A picker sees only the context of a call. It can only answer with a plain error,
// since a status error would end calls that are willing to wait; a call that waits
// until its deadline never receives that error. The picker cannot see which
// endpoints a call has already tried, and a call in flight cannot be told that its
// endpoint has died. The interceptors therefore put a [Record] into the call's
// context. The picker records there which endpoint it picked, or why it picked
// none, and avoids the endpoints that the call has tried. The record also makes it
// possible to call off an attempt of a call that may be reissued.
//
// # The two questions
//
// The picker asks before each attempt whether it is allowed ([Record.MayTry]) and
// which endpoints to avoid ([Record.Tried]). The interceptor asks after each round
// whether there is another one ([Record.Again]). Everything else only records what
// happened.
//
//	attempt.go   the record, and what happens to a call
//	again.go     whether there may be another attempt
//	hedging.go   attempts beside others of the same call, and attempts that take too long
//	observed.go  an attempt, as others see it
//	stage.go     whether an attempt whose credentials hang may be left alone
//	pushback.go  what servers say about retries
//	context.go   how a record travels
//	tally.go     counts of a client's calls
package attempt

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/hedge"
)

// Record is the record of one call. Its zero value is ready for use and does not
// bound the attempts; a nil *Record records nothing. It is safe for concurrent use.
type Record struct {
	// Max is how many attempts may leave this client; 0 means any number. Rescuable
	// says that the call may be called off and reissued. Allow is called before each
	// reissue and reports whether the retry budget allows it; nil means that it
	// always does. Stream says that the call is a stream, and Movable that it may be
	// ended in order to be opened elsewhere. All are set before the call begins.
	Max       int
	Rescuable bool
	Allow     func() bool
	Stream    bool
	Movable   bool
	// Observe, if not nil, is called when an attempt begins and when it ends, with
	// the attempt's context. It is called without the lock and through package
	// guard. It is set before the call begins.
	Observe func(context.Context, Observed)
	// Method measures how long attempts take; nil if that does not matter. Its clock
	// is that of the attempts. It is set before the call begins.
	Method *hedge.Method
	// TimesOut says that TimeOut is called. It is set before the call begins.
	TimesOut bool

	// Finish ends the newest attempt for its picker. The picker sets it, in the goroutine of
	// the call. It may be called while the attempt has not ended.
	Finish func(balancer.DoneInfo)

	carrier carrier // set by NewContext

	places Places  // set before each attempt that may time out; guarded by mu
	of     *Record // the record of the call, if this is the record of a hedge; immutable
	// unwell is called when the endpoint of a hedge becomes unhealthy; nil if it was.
	unwell func()

	// mu guards the fields below, of the hedges too. The only locks acquired while it is held are those
	// that Allow acquires.
	mu      sync.Mutex
	explain func() error // why the newest pick found no endpoint; nil if it found one
	tried   []Attempt    // of the whole call; not used in a hedge's record
	few     [2]Attempt   // the initial array of tried, which saves an allocation
	last    int          // the number of the newest attempt of this record; 0 if there is none
	open    bool         // that attempt has not ended
	cancel  context.CancelFunc
	off     bool  // Rescue has called off the present round
	charged bool  // a retry was taken from the budget, which no attempt has used
	ended   error // why End has ended the call; nil if it has not
	newest  end   // of the newest attempt

	elsewhere bool // as Deny has set it last

	stage stage // of the newest attempt

	notBefore time.Time // when the servers allow another attempt; the zero time if they have said nothing
	refused   bool      // a server allows no other attempt

	ctx context.Context //nolint:containedctx // of the newest attempt until its end, if there is an Observe
}

// end is the part of the newest attempt's result that the next attempt depends on.
type end struct {
	answered bool // the server answered, and not only because the call was called off
	denied   bool // the server rejected the endpoint's token, and there was another endpoint
}

// Begin starts another round of the call. cancel calls it off.
func (r *Record) Begin(cancel context.CancelFunc) {
	defer r.lock().mu.Unlock()
	r.cancel, r.off = cancel, false
}

// Refused records that the newest pick found no eligible endpoint. explain returns
// the reason as of the time at which it is called.
func (r *Record) Refused(explain func() error) {
	if r == nil {
		return
	}
	defer r.lock().mu.Unlock()
	r.explain = explain
}

// Err returns why the newest pick found no endpoint. It returns nil if it found
// one, or if there was no pick yet.
func (r *Record) Err() error {
	if r == nil {
		return nil
	}
	root := r.lock()
	explain := r.explain
	root.mu.Unlock()
	if explain == nil {
		return nil
	}
	return explain() // without the lock: it acquires others
}

// Tried reports whether the call has been tried on the endpoint with this name.
func (r *Record) Tried(endpoint string) bool {
	root := r.lock()
	defer root.mu.Unlock()
	return root.triedLocked(endpoint)
}

func (r *Record) triedLocked(endpoint string) bool {
	for i := range r.tried {
		if a := &r.tried[i]; a.Endpoint == endpoint && !a.void {
			return true
		}
	}
	return false
}

// Denied reports whether the endpoint with this name has rejected its own token, or any
// endpoint if the name is empty. Another attempt there would carry the same token.
func (r *Record) Denied(endpoint string) bool {
	root := r.lock()
	defer root.mu.Unlock()
	for i := range root.tried {
		if a := &root.tried[i]; a.denied && (endpoint == "" || a.Endpoint == endpoint) {
			return true
		}
	}
	return false
}

// Fresh reports whether the call has not been tried at all.
func (r *Record) Fresh() bool {
	root := r.lock()
	defer root.mu.Unlock()
	return len(root.tried) == 0
}

// Sent reports whether any byte of any attempt may have reached a server.
func (r *Record) Sent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sentLocked()
}

func (r *Record) sentLocked() bool { return r.countSentLocked() > 0 }

// Picked records that the newest pick found the endpoint with this name, connected
// to this address, and notifies the observer, if there is one. ctx is the
// attempt's. It returns false, and records nothing, if there may be no such attempt:
// other attempts of the call have been made since MayTry and Tried were asked, or it is
// a hedge for which the budget has nothing left.
func (r *Record) Picked(ctx context.Context, endpoint, address string) bool {
	if r.IsHedge() && !r.UseCharge() && r.Allow != nil && !r.Allow() {
		return false
	}
	o, ok := r.picked(ctx, endpoint, address)
	if ok && r.Observe != nil {
		r.tell(ctx, o)
	}
	return ok
}

func (r *Record) picked(ctx context.Context, endpoint, address string) (o Observed, ok bool) {
	now := r.Method.Now()
	root := r.lock()
	defer root.mu.Unlock()
	if root.spentLocked() || r.IsHedge() && root.triedLocked(endpoint) {
		r.charged = r.charged || r.IsHedge()
		return Observed{}, false
	}
	r.explain, r.newest = nil, end{}
	if root.tried == nil {
		root.tried = root.few[:0]
	}
	root.tried = append(root.tried, Attempt{Endpoint: endpoint, Address: address, Sent: true, by: r, began: now, open: true})
	r.last, r.open = len(root.tried), true
	if r.stage == sending {
		r.stage = asking
	}
	if r.Observe == nil {
		return Observed{}, true
	}
	r.ctx = ctx
	return r.newestLocked(), true
}

// tell calls the observer, which is code of the program.
func (r *Record) tell(ctx context.Context, o Observed) {
	guard.Call("the observer of attempts", func() { r.Observe(ctx, o) })
}

// Deny records, before Done, that the server has rejected the token of the endpoint of
// the newest attempt. elsewhere says whether there is an eligible endpoint that the call
// has not tried, since only there the call may succeed.
func (r *Record) Deny(elsewhere bool) {
	root := r.lock()
	defer root.mu.Unlock()
	if r.open {
		root.tried[r.last-1].denied, r.elsewhere = true, elsewhere
	}
}

// Done records how the newest attempt ended, and notifies the observer. A pick that grpc
// could not use is not an attempt, except for the observer, who has heard of its begin.
func (r *Record) Done(info balancer.DoneInfo) {
	ctx, o, measured := r.done(info)
	if r.Method != nil {
		now := r.Method.Now()
		r.Method.Observe(o.Endpoint, now-measured.began, now, measured.how)
	}
	if ctx != nil {
		r.tell(ctx, o)
	}
}

// EndPanicked ends the newest attempt with err if it has not ended, since grpc does not:
// code of the program has panicked in the goroutine of the call. Nothing of the attempt may
// go on.
func (r *Record) EndPanicked(err error) {
	if r == nil || r.Finish == nil {
		return
	}
	if newest := r.Newest(); newest.Number > 0 && !newest.Ended { // otherwise Finish may be that of another call by now
		r.Finish(balancer.DoneInfo{Err: err})
	}
}

// measurement is what the end of an attempt says about how long attempts take.
type measurement struct {
	began time.Duration
	how   hedge.End
}

// done returns the arguments for the observer, with a nil context if it is not to
// be called.
func (r *Record) done(info balancer.DoneInfo) (context.Context, Observed, measurement) {
	root := r.lock()
	defer root.mu.Unlock()
	if !r.open {
		return nil, Observed{}, measurement{how: hedge.Other}
	}
	r.open = false
	ctx := r.ctx
	r.ctx = nil
	last := &root.tried[r.last-1]
	last.open = false
	if info.Err == nil && !info.BytesSent && !info.BytesReceived {
		last.Err = errUnused
		o := r.newestLocked()
		r.voidLocked()
		return ctx, o, measurement{how: hedge.Other}
	}
	last.Err, last.Sent = info.Err, info.BytesSent
	m := measurement{began: last.began, how: hedge.Other}
	switch {
	case info.BytesReceived && IsAnswer(info.Err): // even if another one was answered just before
		m.how = hedge.Answered
	case last.beaten:
		m.how = hedge.Late
	}
	r.newest = end{
		answered: info.BytesReceived && status.Code(info.Err) != codes.Canceled,
		denied:   last.denied && r.elsewhere,
	}
	root.heedLocked(pushbackOf(info.Trailer))
	return ctx, r.newestLocked(), m
}

// Rescue calls off the attempt in flight on the endpoint with this name, so that
// the call can be reissued on another endpoint. It leaves a call alone that may not
// be reissued, since that call may still be answered where it is. A hedge is never
// called off for the same reason: the call only stops waiting for it.
func (r *Record) Rescue(endpoint string) {
	if act := r.rescue(endpoint); act != nil {
		act()
	}
}

// rescue returns the function to call without the lock, nil if there is none.
func (r *Record) rescue(endpoint string) func() {
	root := r.lock()
	defer root.mu.Unlock()
	switch {
	case !r.open || root.tried[r.last-1].Endpoint != endpoint:
		return nil
	case r.IsHedge():
		unwell := r.unwell
		r.unwell = nil
		return unwell
	default:
		return r.callOffLocked()
	}
}

// callOffLocked calls off the newest attempt of the call's own record, which has not
// ended.
func (r *Record) callOffLocked() context.CancelFunc {
	switch {
	case !r.Rescuable || !r.open || r.off || r.cancel == nil || r.refused || r.spentLocked() || !r.outlastsLocked():
		return nil
	case r.Allow != nil && !r.Allow():
		return nil
	}
	r.off, r.charged = true, true
	r.tried[r.last-1].CalledOff = true
	return r.cancel
}

// End ends the stream if it is on the endpoint with this name. Ended returns why
// from then on.
func (r *Record) End(endpoint string, why error) {
	if cancel := r.end(endpoint, why); cancel != nil {
		cancel()
	}
}

func (r *Record) end(endpoint string, why error) context.CancelFunc {
	root := r.lock()
	defer root.mu.Unlock()
	if !r.Movable || !r.open || r.cancel == nil || root.tried[r.last-1].Endpoint != endpoint {
		return nil
	}
	r.ended = why
	return r.cancel
}

// Ended returns why the call was ended by End, or nil if it was not.
func (r *Record) Ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Rescued reports whether the present round was called off.
func (r *Record) Rescued() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}
