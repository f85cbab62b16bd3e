package jsonapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/guard"
)

// maxWait bounds how long a request without a deadline waits for an endpoint.
const maxWait = time.Minute

// call is one request on its way through its attempts.
type call struct {
	client *Client
	req    *http.Request
	path   string
	named  string // the only endpoint that may be picked, "" for any
	body   *replay
	safety Safety
	until  time.Time // when a SafetyResubmit may no longer be sent; zero: never

	// mu guards what follows, since hedged attempts run at the same time.
	mu      sync.Mutex
	flights []*flight
	tries   []try // the flights that have landed
	sent    int
	unsent  int
	stuck   int
}

// try is a flight that has landed.
type try struct {
	Attempt

	flight *flight
}

// RoundTrip implements http.RoundTripper. It may make several attempts, as the package's
// documentation says. Its errors are a *HostError, a *NoEligibleError, an *AttemptsError,
// or that of the request's context.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	t := &call{client: c, req: req, body: newReplay(req, c.pool.cfg.replay), named: endpointOf(req.Context())}
	defer t.body.finish()
	path, err := c.pool.cfg.logical.path(req)
	if err != nil {
		return nil, err
	}
	t.path = path
	t.classify()
	c.budget.Call(time.Now())
	return t.run() //nolint:contextcheck // the context is in the request, which t has
}

// classify determines the request's safety, for which the body of a command is read.
func (t *call) classify() {
	cfg := &t.client.pool.cfg
	var x command
	t.safety, x = cfg.classify.of(t.req, t.path)
	if t.safety != SafetyResubmit {
		return
	}
	t.safety = SafetyOnce
	if t.req.ContentLength <= 0 || t.req.ContentLength >= cfg.replay {
		return
	}
	body, ok := t.body.peek()
	if !ok {
		return
	}
	if window, ok := x.resubmittable(x.read(body), t.req.Header.Get("Authorization") != ""); ok {
		t.safety = SafetyResubmit
		if window != forever {
			t.until = time.Now().Add(window)
		}
	}
}

// run makes attempts until one of them decides.
func (t *call) run() (*http.Response, error) {
	for {
		e, trial, err := t.pick()
		if err != nil {
			return nil, err
		}
		f, resp, end := t.race(e, trial)
		s := t.situation(end)
		d := decide(s)
		if d.again && d.charge && !t.client.allow() {
			d.again = false
		}
		if !d.again {
			return t.result(f, resp, end)
		}
		if resp != nil {
			_ = resp.Body.Close() // the next attempt has the response
		}
		t.client.count(t, f, end)
		if err := t.pause(d.pause); err != nil {
			return nil, err
		}
	}
}

// situation collects what the decision depends on.
func (t *call) situation(end ending) situation {
	s := situation{
		ending: end, safety: t.safety, most: t.client.pool.cfg.attempts, repeatable: t.body.repeatable(),
		window: forever, left: forever, chance: rand.Float64(),
	}
	now := time.Now()
	if !t.until.IsZero() {
		s.window = t.until.Sub(now)
	}
	if deadline, ok := t.req.Context().Deadline(); ok {
		s.left = deadline.Sub(now)
	}
	s.elsewhere = t.named == "" && t.client.pool.picks.Load().elsewhere(t.tried)
	t.mu.Lock()
	defer t.mu.Unlock()
	s.sent, s.unsent, s.stuck = t.sent, t.unsent, t.stuck
	return s
}

// tried reports whether the request has been tried on an endpoint.
func (t *call) tried(e *endpoint) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.flights {
		if f.endpoint == e {
			return true
		}
	}
	return false
}

// rescuable reports whether an attempt may be called off, to be made elsewhere.
func (t *call) rescuable() bool {
	if t.safety == SafetyOnce || t.safety == SafetyResubmit && !t.until.IsZero() && time.Now().After(t.until) {
		return false
	}
	if !t.body.repeatable() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent+len(t.flights)-len(t.tries) < t.client.pool.cfg.attempts
}

// pick waits for an endpoint.
func (t *call) pick() (e *endpoint, trial bool, err error) {
	ctx, p := t.req.Context(), t.client.pool
	var over <-chan time.Time
	for {
		s := p.picks.Load()
		if s.closed {
			return nil, false, ErrClosed
		}
		if err := t.ended(); err != nil {
			return nil, false, t.failure(err)
		}
		if e, trial = s.pick(&p.turn, t.named, t.tried); e != nil {
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
		select {
		case <-s.changed:
		case <-ctx.Done():
			return nil, false, t.noEligible(context.Cause(ctx))
		case <-t.canceled():
			return nil, false, t.noEligible(errCanceled)
		case <-over:
			return nil, false, t.noEligible(nil)
		}
	}
}

// errCanceled is the error of a request whose Cancel channel was closed.
var errCanceled = errors.New("the request was canceled")

// canceled returns the channel by which old programs cancel a request.
func (t *call) canceled() <-chan struct{} {
	//lint:ignore SA1019 net/http heeds it, too
	return t.req.Cancel //nolint:staticcheck // as above
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

func (t *call) noEligible(err error) error {
	var why *explain.NoEligibleError
	func() {
		t.client.pool.mu.Lock()
		defer t.client.pool.unlock()
		why = t.client.pool.explainLocked()
	}()
	return noEligible(why, t.attempts(), err)
}

// attempts returns the attempts so far.
func (t *call) attempts() []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Attempt, len(t.tries))
	for i, x := range t.tries {
		out[i] = x.Attempt
	}
	return out
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
		if t.named == "" && s.elsewhere(t.tried) {
			return nil
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

// failure makes the error of a request that has no response.
func (t *call) failure(err error) error {
	tries := t.attempts()
	if len(tries) == 0 {
		return err
	}
	e := &AttemptsError{Attempts: tries, Err: err, Unsent: true}
	for _, a := range tries {
		e.Unsent = e.Unsent && !a.Sent
	}
	return e
}

// result makes what the caller gets from the last attempt.
func (t *call) result(f *flight, resp *http.Response, end ending) (*http.Response, error) {
	if resp == nil {
		return nil, t.failure(t.errorOf(f, end))
	}
	if isDone(t.req.Method, resp.StatusCode, t.doubted(f)) {
		return done(resp), nil
	}
	return resp, nil
}

// errorOf returns the error to report for an attempt. That it was called off says less
// than why the caller no longer waits, or than the error of another attempt.
func (t *call) errorOf(f *flight, end ending) error {
	if why := t.ended(); why != nil {
		return why
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var own, other error
	for _, x := range t.tries {
		switch {
		case x.flight == f:
			own = x.Err
		case x.Err != nil && !x.CalledOff:
			other = x.Err
		}
	}
	if end.outcome == calledOff && other != nil {
		return other
	}
	return own
}

// doubted reports whether an attempt other than f may have been executed.
func (t *call) doubted(f *flight) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.flights {
		if other != f && !other.landed.Load() && other.sent() {
			return true
		}
	}
	for _, x := range t.tries {
		if x.flight != f && x.Sent && (x.Status == 0 || x.Status >= http.StatusInternalServerError) {
			return true
		}
	}
	return false
}

// allow takes one attempt from the retry budget.
func (c *Client) allow() bool {
	ok := c.budget.Take(time.Now())
	if !ok {
		c.pool.tally.Refused()
	}
	return ok
}

// count counts a request that is made again.
func (c *Client) count(t *call, f *flight, end ending) {
	if end.outcome != calledOff {
		c.pool.tally.Retried()
		return
	}
	c.pool.tally.Rescued()
	c.observe(t.req.Context(), AttemptEvent{
		Kind: cantonlb.CallRescued, Method: t.req.Method, Path: t.req.URL.Path, Endpoint: f.endpoint.at.Name, Number: f.number,
	})
}

// observe calls the observer, which is code of the program.
func (c *Client) observe(ctx context.Context, e AttemptEvent) {
	if c.onAttempt != nil {
		guard.Tell(&c.pool.left, "the observer of attempts", func() { c.onAttempt(ctx, e) })
	}
}
