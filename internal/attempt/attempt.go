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
package attempt

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/guard"
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

	// mu guards the fields below. The only locks acquired while it is held are those
	// that Allow acquires.
	mu      sync.Mutex
	explain func() error // why the newest pick found no endpoint; nil if it found one
	tried   []Attempt
	few     [2]Attempt // the initial array of tried, which saves an allocation
	open    bool       // the newest attempt has not ended
	cancel  context.CancelFunc
	off     bool  // Rescue has called off the present round
	ended   error // why End has ended the call; nil if it has not
	newest  end   // of the newest attempt

	ctx context.Context //nolint:containedctx // of the newest attempt until its end, if there is an Observe
}

// end is the part of the newest attempt's result that the next attempt depends on.
type end struct {
	answered bool // the server answered, and not only because the call was called off
	denied   bool // the server rejected the endpoint's token
}

// Observed describes one attempt to the observer.
type Observed struct {
	// Endpoint and Address are the attempt's destination. Number counts the call's
	// attempts, from 1.
	Endpoint, Address string
	Number            int
	// Ended says that the attempt has ended, and Err is its result.
	Ended bool
	Err   error
}

// Attempt is one try of a call on one endpoint.
type Attempt struct {
	// Endpoint is the endpoint's name, and Address the address to which it is
	// connected.
	Endpoint, Address string
	// Err is the attempt's result, nil if it succeeded or has not ended. Sent says
	// that a byte of the call may have reached the server.
	Err  error
	Sent bool
	// CalledOff says that the attempt was ended by Rescue.
	CalledOff bool
}

type key struct{}

var carried atomic.Bool

// Carried reports whether any context of this program has carried a record. While
// none has, a pick need not look for one, which would be a sixth of its time.
func Carried() bool { return carried.Load() }

// NewContext returns a context that carries r.
func NewContext(ctx context.Context, r *Record) context.Context {
	if !carried.Load() {
		carried.Store(true)
	}
	return context.WithValue(ctx, key{}, r)
}

// From returns the record in ctx, nil if there is none. ctx may be nil, since a
// policy above ours may call our picker without a call.
func From(ctx context.Context) *Record {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(key{}).(*Record)
	return r
}

// Begin starts another round of the call. cancel calls it off.
func (r *Record) Begin(cancel context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.off = cancel, false
}

// Refused records that the newest pick found no eligible endpoint. explain returns
// the reason as of the time at which it is called.
func (r *Record) Refused(explain func() error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.explain = explain
}

// Err returns why the newest pick found no endpoint. It returns nil if it found
// one, or if there was no pick yet.
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
	return explain() // without the lock: it acquires others
}

// Verdict says whether there may be another attempt.
type Verdict uint8

// The verdicts of MayTry.
const (
	// Try allows an attempt.
	Try Verdict = iota
	// Spent means that the call has used all its attempts.
	Spent
	// CalledOff means that the present round has been called off and the next one
	// has not begun. An attempt now would only be cancelled.
	CalledOff
)

// MayTry returns whether the picker may make another attempt now.
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

// mostUnsent bounds the attempts of one call that were never sent, in addition to
// Max: their connections ended at the moment at which they were picked.
const mostUnsent = 16

// spentLocked reports whether the call has used all its attempts. An attempt that
// was never sent did not involve the server, and does not count unless there are
// many.
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

// Again reports whether another round of the call is safe and within the bounds,
// after one that ended with err. The context of the call itself must still be
// valid, so that only Rescue can have cancelled the round.
func (r *Record) Again(err error) bool {
	if err == nil {
		return false
	}
	r.mu.Lock()
	calledOff := r.off && !r.newest.answered
	failed := (status.Code(err) == codes.Unavailable || r.newest.denied) && (r.Rescuable || !r.sentLocked())
	may := failed && len(r.tried) > 0 && r.explain == nil && !r.spentLocked() // an untried call was refused and would be again
	r.mu.Unlock()
	switch {
	case calledOff:
		return true // Rescue has already charged the budget
	case may:
		return r.Allow == nil || r.Allow()
	default:
		return false
	}
}

// Tried reports whether the call has been tried on the endpoint with this name.
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

// Fresh reports whether the call has not been tried at all.
func (r *Record) Fresh() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tried) == 0
}

// Sent reports whether any byte of any attempt may have reached a server.
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

// Picked records that the newest pick found the endpoint with this name, connected
// to this address, and notifies the observer, if there is one. ctx is the
// attempt's.
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
	r.tried = append(r.tried, Attempt{Endpoint: endpoint, Address: address, Sent: true})
	r.open = true
	if r.Observe == nil {
		return Observed{}
	}
	r.ctx = ctx
	return r.newestLocked()
}

// tell calls the observer, which is code of the program.
func (r *Record) tell(ctx context.Context, o Observed) {
	guard.Call("the observer of attempts", func() { r.Observe(ctx, o) })
}

// Newest returns the newest attempt, or the zero value if there was none.
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
	return Observed{Endpoint: last.Endpoint, Address: last.Address, Number: len(r.tried), Ended: !r.open, Err: last.Err}
}

// Done records how the newest attempt ended, and notifies the observer. denied says
// that the server rejected the token of its endpoint, so that the call may succeed
// elsewhere. A pick that grpc could not use is not an attempt, and has no end.
func (r *Record) Done(info balancer.DoneInfo, denied bool) {
	if ctx, o := r.done(info, denied); ctx != nil {
		r.tell(ctx, o)
	}
}

// done returns the arguments for the observer, with a nil context if it is not to
// be called.
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

// Attempts returns the attempts so far, in order.
func (r *Record) Attempts() []Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Attempt(nil), r.tried...)
}

// Rescue calls off the attempt in flight on the endpoint with this name, so that
// the call can be reissued on another endpoint. It leaves a call alone that may not
// be reissued, since that call may still be answered where it is.
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

// End ends the stream if it is on the endpoint with this name. Ended returns why
// from then on.
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
