package jsonapi

import (
	"net/http"

	"github.com/cantonlb/cantonlb/internal/explain"
)

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
