package jsonapi

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/instant"
)

// call is one request on its way through its attempts.
type call struct {
	client *Client
	req    *http.Request
	named  string  // the only endpoint that may be picked, "" for any
	body   *replay // nil: none
	safety Safety
	window time.Duration   // in which a SafetyResubmit may be sent again; 0: any time
	began  instant.Instant // when it begins

	// mu guards what follows, since hedged attempts run at the same time.
	mu      sync.Mutex
	flights []*flight // in the order in which they began
	few     [1]*flight
	flying  int // those that have not landed
	sent    int
	unsent  int
	stuck   int
}

// RoundTrip implements http.RoundTripper. It may make several attempts, as the package's
// documentation says. Its errors are a *HostError, a *NoEligibleError, an *AttemptsError,
// or that of the request's context.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	t := &call{client: c, req: req, body: newReplay(req, c.pool.cfg.replay), named: endpointOf(req.Context())}
	defer t.body.finish()
	if !c.pool.enter() {
		return nil, ErrClosed
	}
	defer c.pool.leave()
	if err := c.pool.cfg.logical.check(req); err != nil {
		return nil, err
	}
	t.classify()
	return t.run() //nolint:contextcheck // the context is in the request, which t has
}

// classify determines the request's safety, for which the body of a command is read.
func (t *call) classify() {
	cfg := &t.client.pool.cfg
	var x command
	t.safety, x = cfg.classify.of(t.req)
	if t.safety != SafetyResubmit {
		return
	}
	t.safety = SafetyOnce
	if t.req.ContentLength <= 0 || t.req.ContentLength >= cfg.replay {
		return
	}
	body, ok := t.body.peek(t.req, t.client.pool.ctx.Done())
	if !ok {
		return
	}
	if window, ok := x.resubmittable(x.read(body), t.req.Header.Get("Authorization") != ""); ok {
		t.safety = SafetyResubmit
		if window != forever {
			t.window, t.began = window, instant.Of(time.Now())
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
		if end.stands() {
			return t.result(f, resp, end)
		}
		d := decide(t.situation(end))
		if d.again && d.charge && !t.client.allow() {
			d.again = false
		}
		if !d.again {
			return t.result(f, resp, end)
		}
		if resp != nil {
			_ = resp.Body.Close() // the next attempt has the response
		}
		t.count(f, end)
		if err := t.pause(d.pause); err != nil {
			return nil, err
		}
	}
}

// situation collects what the decision depends on.
func (t *call) situation(end ending) situation {
	s := situation{
		ending: end, safety: t.safety, most: t.client.pool.cfg.attempts, repeatable: t.body.repeatable(),
		left: forever, chance: rand.Float64(),
	}
	now := time.Now()
	s.window = t.windowLeft(now)
	if deadline, ok := t.req.Context().Deadline(); ok {
		s.left = deadline.Sub(now)
	}
	s.elsewhere = t.named == "" && t.client.pool.picks.Load().elsewhere(t.past)
	t.mu.Lock()
	defer t.mu.Unlock()
	s.sent, s.unsent, s.stuck = t.sent, t.unsent, t.stuck
	return s
}

// windowLeft returns for how much longer a SafetyResubmit may be sent again.
func (t *call) windowLeft(now time.Time) time.Duration {
	if t.window == 0 {
		return forever
	}
	return t.window - t.began.Elapsed(now)
}

// mayWait returns how long the next attempt may wait until it is sent. A command that may
// have been executed must not arrive after its deduplication period.
func (t *call) mayWait() time.Duration {
	if t.safety != SafetyResubmit || t.window == 0 {
		return forever
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == 0 {
		return forever
	}
	return t.windowLeft(time.Now())
}

// past returns what has become of the request on an endpoint.
func (t *call) past(e *endpoint) past {
	t.mu.Lock()
	defer t.mu.Unlock()
	is := pastNone
	for _, f := range t.flights {
		switch {
		case f.endpoint != e:
		case f.attempt.Status == http.StatusUnauthorized:
			return pastDenied
		default:
			is = pastTried
		}
	}
	return is
}

// rescuable reports whether an attempt may be called off, to be made elsewhere.
func (t *call) rescuable() bool {
	if t.safety == SafetyOnce || t.safety == SafetyResubmit && t.windowLeft(time.Now()) <= 0 {
		return false
	}
	return t.body.repeatable() && t.hasAttempts()
}

// hasAttempts reports whether the request may be sent once more, besides the attempts
// that are under way.
func (t *call) hasAttempts() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent+t.flying < t.client.pool.cfg.attempts
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
func (t *call) count(f *flight, end ending) {
	if end.outcome != calledOff {
		t.client.pool.tally.Retried()
		return
	}
	t.client.pool.tally.Rescued()
	t.observe(t.req.Context(), f, AttemptEvent{Kind: cantonlb.CallRescued})
}

// observe calls the observer, which is code of the program, with what the event says of
// a flight.
func (t *call) observe(ctx context.Context, f *flight, e AttemptEvent) {
	c := t.client
	if c.onAttempt == nil {
		return
	}
	e.Method, e.Path, e.Endpoint, e.Number, e.Hedge = t.req.Method, t.req.URL.Path, f.endpoint.at.Name, f.number, f.hedge
	guard.Tell(&c.pool.left, "the observer of attempts", func() { c.onAttempt(ctx, e) })
}
