package attempt

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/hedge"
)

// NewHedge returns the record of one more attempt of the call, which runs beside the
// others. It shares the call's list of attempts and its bounds. allow is called once an
// endpoint is found and reports whether the budget allows the attempt; nil means that
// it does. unwell, if not nil, is called once if the endpoint becomes unhealthy during
// the attempt.
func (r *Record) NewHedge(allow func() bool, unwell func()) *Record {
	return &Record{
		Max: r.Max, Rescuable: r.Rescuable, Allow: allow, Observe: r.Observe, Method: r.Method, of: r, unwell: unwell,
	}
}

// IsHedge reports whether this is the record of a hedge. A hedge goes to an endpoint
// that the call has not tried, or nowhere, and does not wait for one.
func (r *Record) IsHedge() bool { return r != nil && r.of != nil }

// root returns the record of the call.
func (r *Record) root() *Record {
	if r.of != nil {
		return r.of
	}
	return r
}

// lock locks and returns the record of the call.
func (r *Record) lock() *Record {
	root := r.root()
	root.mu.Lock()
	return root
}

// NextHedge returns how long to wait until the call is hedged, or looked at again,
// given the delay of its method. ok is false if it is not hedged any more.
func (r *Record) NextHedge(now, delay time.Duration) (wait time.Duration, ok bool) {
	return r.forHedge(now).Next(now, delay)
}

func (r *Record) forHedge(now time.Duration) hedge.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := hedge.Call{Max: r.Max, Sent: r.countSentLocked(), NotBefore: now + r.pauseLocked(), Refused: r.refused}
	for i := range r.tried {
		if a := &r.tried[i]; a.open && a.began >= c.Picked {
			c.Picked, c.InFlight = a.began, true
		}
	}
	return c
}

// heedLocked notes what a server has said about further attempts.
func (r *Record) heedLocked(p pushback) {
	r.refused = r.refused || p.never
	if until := time.Now().Add(p.delay); p.delay > 0 && until.After(r.notBefore) {
		r.notBefore = until
	}
}

// Cancel cancels the present round, which another attempt has made superfluous.
func (r *Record) Cancel() {
	r.mu.Lock()
	cancel := r.cancel
	r.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// Beat records that the hedge with this record was answered first: the attempts in
// flight that began before it took too long. That is evidence against their endpoints,
// although they are canceled.
func (r *Record) Beat(winner *Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range winner.last {
		if a := &r.tried[i]; a.open && a.by != winner {
			a.beaten = true
		}
	}
}

// Places knows where calls can be sent.
type Places interface {
	// Untried reports whether a pick now would find an endpoint that the call with this
	// record has not tried. It is called without the lock of the record.
	Untried(r *Record) bool
}

// SetPlaces sets what knows whether there is another endpoint for the next attempt.
// Without it, there is one.
func (r *Record) SetPlaces(p Places) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places = p
}

// TimeOut calls off the newest attempt if it has lasted for this long and the call can
// be reissued on another endpoint. Otherwise it returns how long to wait until then; ok
// is false if the call will not be reissued any more.
func (r *Record) TimeOut(limit time.Duration) (wait time.Duration, ok bool) {
	r.mu.Lock()
	places := r.places
	r.mu.Unlock()
	if places != nil && !places.Untried(r) {
		return limit, true
	}
	cancel, wait, ok := r.timeOut(r.Method.Now(), limit)
	if cancel != nil {
		cancel()
	}
	return wait, ok
}

func (r *Record) timeOut(now, limit time.Duration) (cancel context.CancelFunc, wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || r.off {
		return nil, limit, true
	}
	last := &r.tried[r.last-1]
	if wait = last.began + limit - now; wait > 0 {
		return nil, wait, true
	}
	if r.refused || r.spentLocked() || r.explain != nil {
		return nil, 0, false
	}
	if cancel = r.callOffLocked(); cancel != nil {
		last.beaten = true
	}
	return cancel, limit, true
}

// Beaten reports whether the newest attempt took too long, so that another one counts
// in its place.
func (r *Record) Beaten() bool {
	if r == nil {
		return false
	}
	root := r.lock()
	defer root.mu.Unlock()
	return r.last > 0 && root.tried[r.last-1].beaten
}

// voidLocked removes the newest attempt of this record, which was not one.
func (r *Record) voidLocked() {
	root := r.root()
	r.charged = r.charged || r.IsHedge()
	last := r.last - 1
	if last == len(root.tried)-1 {
		root.tried = root.tried[:last]
	} else {
		root.tried[last].void, root.tried[last].Sent = true, false
	}
	for r.last = last; r.last > 0; r.last-- {
		if a := &root.tried[r.last-1]; a.by == r && !a.void {
			return
		}
	}
}

// Answered reports whether err, with which the newest attempt of this record has ended,
// is the answer of a working server to the call. A failure of this process, such as that
// of credentials, may have any code and is none.
func (r *Record) Answered(err error) bool {
	defer r.lock().mu.Unlock()
	return IsAnswer(err) && (err == nil || r.newest.answered)
}

// IsAnswer reports whether the result of an attempt is the answer of a working server
// to the call: a success, or an error that is about the request.
func IsAnswer(err error) bool {
	switch status.Code(err) {
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.FailedPrecondition, codes.Aborted, codes.OutOfRange:
		return true
	default:
		return false
	}
}
