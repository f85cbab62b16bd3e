package jsonapi

import (
	"net/http"
	"slices"

	"github.com/cantonlb/cantonlb/internal/explain"
)

// result makes what the caller gets from the last attempt.
func (t *call) result(f *flight, resp *http.Response, end ending) (*http.Response, error) {
	if resp == nil {
		return nil, t.failure(t.errorOf(f, end))
	}
	if t.req.Method == http.MethodDelete && resp.StatusCode == http.StatusNotFound && t.doubted(f) {
		return done(resp), nil // an attempt that may have been executed has had the effect
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
	for _, x := range t.flights {
		switch {
		case x == f:
			own = x.attempt.Err
		case x.attempt.Err != nil && !x.attempt.CalledOff:
			other = x.attempt.Err
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

// attempts returns the attempts that have ended, in the order in which they began.
func (t *call) attempts() []Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Attempt, 0, len(t.flights))
	for _, f := range t.flights {
		if f.landed {
			out = append(out, f.attempt)
		}
	}
	return out
}

// doubted reports whether an attempt other than f may have been executed.
func (t *call) doubted(f *flight) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.flights, func(other *flight) bool {
		is := other.attempt
		switch {
		case other == f:
			return false
		case !other.landed:
			return other.sent()
		default:
			return is.Sent && (is.Status == 0 || is.Status >= http.StatusInternalServerError)
		}
	})
}
