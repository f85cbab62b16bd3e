// Package attempt carries the notes of one call between the front door's
// interceptors and the picker.
//
// # Why
//
// A picker knows nothing of a call but its context. It may only answer with a
// plain error, since a status error would end calls that are willing to wait,
// and a call that waits until its deadline gets no word of the picker at all. It
// cannot know which endpoints this call has tried already. And nobody can tell a
// call in flight that its endpoint has died. So the interceptors put a [Record]
// into the call's context: the picker notes there whom it picked or why nobody,
// avoids whom the call has tried, and leaves word where a call that may be made
// again can be called off.
//
// # The two questions
//
// The picker asks before each attempt whether there may be one ([Record.MayTry]) and
// where not ([Record.Tried]). The interceptor asks after each round whether there is
// to be another ([Record.Again]). Everything else is notes.
package attempt

import (
	"context"
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/guard"
)

// Record is one call's notes. Its zero value is ready for use and knows no bound
// to the attempts; a nil *Record takes notes of nothing. It is safe for
// concurrent use.
type Record struct {
	// Max is how many attempts may leave this client, 0 for any number. Rescuable
	// tells that the call may be called off and made again, and Allow, asked each
	// time, whether there is a retry to spare; nil is yes. Movable tells that it is a
	// stream that may be ended, to be opened elsewhere. All are set before the
	// call begins.
	Max       int
	Rescuable bool
	Allow     func() bool
	Movable   bool
	// Observe, if not nil, is told when an attempt begins and when it ends, with the
	// attempt's context. It is called without the lock, guarded, and set as above.
	Observe func(context.Context, Observed)

	// mu guards what follows. No other lock is taken under it, but for what Allow
	// takes.
	mu      sync.Mutex
	explain func() error // why the newest pick found nobody; nil if it did not
	tried   []Attempt
	few     [3]Attempt // where tried begins, so that it need not be allocated
	open    bool       // the newest attempt has not ended
	cancel  context.CancelFunc
	off     bool  // Rescue has called off the present round
	ended   error // why End has ended the call; nil if it has not
	newest  end   // of the newest attempt

	address string          // of the newest attempt, if there is an Observe
	ctx     context.Context //nolint:containedctx // likewise, until its end
}

// end is how the newest attempt ended, as far as the next one depends on it.
type end struct {
	answered bool // the server answered, and not only because the call was called off
	denied   bool // it did not take the token that is the endpoint's own
}

// Observed is what there is to tell of one attempt.
type Observed struct {
	// Endpoint and Address are where it goes; Number counts the call's attempts,
	// from 1.
	Endpoint, Address string
	Number            int
	// Ended tells that it is over, and Err how.
	Ended bool
	Err   error
}

// Attempt is one try of a call on one endpoint.
type Attempt struct {
	// Endpoint is its name.
	Endpoint string
	// Err is how it ended, nil for well or not at all. Sent tells that a byte of
	// the call may have reached the server.
	Err  error
	Sent bool
	// CalledOff tells that it was ended by Rescue.
	CalledOff bool
}

type key struct{}

// NewContext returns a context that carries r.
func NewContext(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// From gives the record in ctx, nil if there is none. A nil ctx has none: a policy
// above ours may ask our picker on behalf of no call.
func From(ctx context.Context) *Record {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(key{}).(*Record)
	return r
}

// Begin starts another round of the call, which cancel calls off.
func (r *Record) Begin(cancel context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.off = cancel, false
}

// Refused notes that the newest pick found no eligible endpoint. explain tells
// why, as of the time at which it is called.
func (r *Record) Refused(explain func() error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.explain = explain
}

// Err explains why the newest pick found no endpoint; nil if it found one, or
// if there was none yet.
func (r *Record) Err() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	explain := r.explain
	r.mu.Unlock()
	if explain == nil {
		return nil
	}
	return explain() // without the lock: it takes others
}

// Verdict is whether there may be another attempt.
type Verdict uint8

// The verdicts of MayTry.
const (
	// Try: there may be one.
	Try Verdict = iota
	// Spent: the call has had all its attempts.
	Spent
	// CalledOff: the present round has been called off, and the next one has not
	// begun. An attempt now would only be cancelled.
	CalledOff
)

// MayTry tells the picker whether there may be another attempt now.
func (r *Record) MayTry() Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.off:
		return CalledOff
	case r.spentLocked():
		return Spent
	default:
		return Try
	}
}

// mostUnsent bounds the attempts of one call that never left, in addition to Max:
// their connections ended in the moment in which they were picked.
const mostUnsent = 16

// spentLocked tells that the call has had all its attempts. One that never left was
// none of the server's, and does not count unless there are many.
func (r *Record) spentLocked() bool {
	if r.Max == 0 || len(r.tried) < r.Max {
		return false
	}
	sent := 0
	for i := range r.tried {
		if r.tried[i].Sent {
			sent++
		}
	}
	return sent >= r.Max || len(r.tried) >= r.Max+mostUnsent
}

// Again tells the interceptor whether another round of the call is safe and within
// the bounds, after one that ended with err. The context of the call itself must
// still be valid: then nobody but Rescue has cancelled the round.
func (r *Record) Again(err error) bool {
	if err == nil {
		return false
	}
	r.mu.Lock()
	calledOff := r.off && !r.newest.answered
	failed := (status.Code(err) == codes.Unavailable || r.newest.denied) && (r.Rescuable || !r.sentLocked())
	may := failed && len(r.tried) > 0 && r.explain == nil && !r.spentLocked() // untried, it was refused and would be again
	r.mu.Unlock()
	switch {
	case calledOff:
		return true // Rescue has paid for it
	case may:
		return r.Allow == nil || r.Allow()
	default:
		return false
	}
}

// Tried tells whether the call has been tried on the endpoint with this name.
func (r *Record) Tried(endpoint string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.tried {
		if r.tried[i].Endpoint == endpoint {
			return true
		}
	}
	return false
}

// Fresh tells whether the call has not been tried at all.
func (r *Record) Fresh() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tried) == 0
}

// Sent tells whether any byte of any attempt may have reached a server.
func (r *Record) Sent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sentLocked()
}

func (r *Record) sentLocked() bool {
	for i := range r.tried {
		if r.tried[i].Sent {
			return true
		}
	}
	return false
}

// Picked notes that the newest pick found the endpoint with this name, connected to
// this address, and tells the observer, if there is one. ctx is the attempt's.
func (r *Record) Picked(ctx context.Context, endpoint, address string) {
	o := r.picked(ctx, endpoint, address)
	if r.Observe != nil {
		r.tell(ctx, o)
	}
}

func (r *Record) picked(ctx context.Context, endpoint, address string) Observed {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.explain, r.newest = nil, end{}
	if r.tried == nil {
		r.tried = r.few[:0]
	}
	r.tried = append(r.tried, Attempt{Endpoint: endpoint, Sent: true})
	r.open = true
	if r.Observe == nil {
		return Observed{}
	}
	r.ctx, r.address = ctx, address
	return r.newestLocked()
}

// tell tells the observer, which is the program's own.
func (r *Record) tell(ctx context.Context, o Observed) {
	guard.Call("the observer of attempts", func() { r.Observe(ctx, o) })
}

// Newest tells of the newest attempt, the zero value if there was none.
func (r *Record) Newest() Observed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newestLocked()
}

func (r *Record) newestLocked() Observed {
	if len(r.tried) == 0 {
		return Observed{}
	}
	last := r.tried[len(r.tried)-1]
	return Observed{Endpoint: last.Endpoint, Address: r.address, Number: len(r.tried), Ended: !r.open, Err: last.Err}
}

// Done notes how the newest attempt ended, and tells the observer. denied is
// whether the server did not take the token that is its endpoint's own, so that the
// call may do better elsewhere. A pick that grpc could not use is not an attempt, and
// has no end.
func (r *Record) Done(info balancer.DoneInfo, denied bool) {
	if ctx, o := r.done(info, denied); ctx != nil {
		r.tell(ctx, o)
	}
}

// done returns what the observer is to be told, and a nil context if nothing.
func (r *Record) done(info balancer.DoneInfo, denied bool) (context.Context, Observed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open {
		return nil, Observed{}
	}
	r.open = false
	ctx := r.ctx
	r.ctx = nil
	last := len(r.tried) - 1
	if info.Err == nil && !info.BytesSent && !info.BytesReceived {
		r.tried = r.tried[:last]
		return nil, Observed{}
	}
	r.tried[last].Err, r.tried[last].Sent = info.Err, info.BytesSent
	r.newest = end{answered: info.BytesReceived && status.Code(info.Err) != codes.Canceled, denied: denied}
	return ctx, r.newestLocked()
}

// Attempts gives the attempts so far, in order.
func (r *Record) Attempts() []Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Attempt(nil), r.tried...)
}

// Rescue calls off the attempt under way on the endpoint with this name, so that
// the call can be made again on another. It leaves the call alone if that is not
// to be: then it may yet be answered where it is.
func (r *Record) Rescue(endpoint string) {
	if cancel := r.rescue(endpoint); cancel != nil {
		cancel()
	}
}

func (r *Record) rescue(endpoint string) context.CancelFunc {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.Rescuable || !r.open || r.off || r.cancel == nil:
		return nil
	case r.tried[len(r.tried)-1].Endpoint != endpoint:
		return nil
	case r.spentLocked():
		return nil
	case r.Allow != nil && !r.Allow():
		return nil
	}
	r.off = true
	r.tried[len(r.tried)-1].CalledOff = true
	return r.cancel
}

// End ends the stream if it is on the endpoint with this name; why is what Ended
// gives from then on.
func (r *Record) End(endpoint string, why error) {
	if cancel := r.end(endpoint, why); cancel != nil {
		cancel()
	}
}

func (r *Record) end(endpoint string, why error) context.CancelFunc {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.Movable || !r.open || r.cancel == nil || r.tried[len(r.tried)-1].Endpoint != endpoint {
		return nil
	}
	r.ended = why
	return r.cancel
}

// Ended gives why the call was ended by End, nil if it was not.
func (r *Record) Ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Rescued tells whether the present round was called off.
func (r *Record) Rescued() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}
