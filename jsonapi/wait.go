package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// maxWait bounds how long a request without a deadline waits for an endpoint.
const maxWait = time.Minute

// pick waits for an endpoint.
func (t *call) pick() (e *endpoint, trial bool, err error) {
	ctx, p := t.req.Context(), t.client.pool
	var over, late <-chan time.Time
	left := t.mayWait()
	for {
		s := p.picks.Load()
		if s.closed {
			return nil, false, ErrClosed
		}
		if err := t.ended(); err != nil {
			return nil, false, t.failure(err)
		}
		if left <= 0 {
			return nil, false, t.failure(errLate)
		}
		if e, trial = s.pick(&p.turn, t.named, t.past); e != nil {
			return e, trial, nil
		}
		if t.named != "" && s.byName[t.named] == nil {
			return nil, false, fmt.Errorf("jsonapi: no endpoint %q in the list", cleantext.Detail(t.named))
		}
		if !s.waits {
			return nil, false, t.noEligible(nil)
		}
		if _, ok := ctx.Deadline(); !ok && over == nil {
			over = time.After(maxWait)
		}
		if left != forever && late == nil {
			late = time.After(left)
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return nil, false, t.noEligible(context.Cause(ctx))
		case <-t.canceled():
			return nil, false, t.noEligible(errCanceled)
		case <-over:
			return nil, false, t.noEligible(nil)
		case <-late:
			return nil, false, t.noEligible(errLate)
		}
	}
}

// pause waits before another attempt, or until another endpoint can be picked.
func (t *call) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	ctx, p := t.req.Context(), t.client.pool
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		s := p.picks.Load()
		if s.closed || t.named == "" && s.elsewhere(t.past) {
			return nil // pick says that the client is closed
		}
		select {
		case <-timer.C:
			return nil
		case <-s.changed:
		case <-ctx.Done():
			return t.failure(context.Cause(ctx))
		case <-t.canceled():
			return t.failure(errCanceled)
		}
	}
}

// errCanceled is the error of a request whose Cancel channel was closed.
var errCanceled = errors.New("the request was canceled")

// canceled returns the channel by which old programs cancel a request.
func (t *call) canceled() <-chan struct{} { return canceled(t.req) }

func canceled(r *http.Request) <-chan struct{} {
	//lint:ignore SA1019 net/http heeds it, too
	return r.Cancel //nolint:staticcheck // as above
}

// await calls f and waits until it returns, until the caller of the request no longer waits,
// or until closed is: then f goes on, and the error says why.
func await(r *http.Request, closed <-chan struct{}, f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-r.Context().Done():
		return context.Cause(r.Context())
	case <-canceled(r):
		return errCanceled
	case <-closed:
		return ErrClosed
	}
}

// ended returns why the caller no longer waits, nil if it does.
func (t *call) ended() error {
	if ctx := t.req.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-t.canceled():
		return errCanceled
	default:
		return nil
	}
}
