package ledger

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// The pauses before a stream is reopened or a command submitted again. They grow by a tenth each, so
// that the next try comes soon after the end of an outage however long that was.
const (
	firstPause  = 50 * time.Millisecond
	longest     = 5 * time.Second
	pauseGrowth = 1.1
	pauseJitter = 0.5
)

// leastMet is how often an error that may be permanent has to be met at least before it is taken for
// that: where an attempt takes minutes, such as a snapshot, patience is over at the second one.
const leastMet = 3

// newPauses returns the pauses, which never end.
func newPauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longest), backoff.WithMultiplier(pauseGrowth),
		backoff.WithRandomizationFactor(pauseJitter), backoff.WithMaxElapsedTime(0),
	)
}

// retries remembers the errors in a row, without progress in between.
type retries struct {
	pauses *backoff.ExponentialBackOff
	failed int       // how many there were
	cause  Cause     // of the last one
	since  time.Time // when that was first met in a row
	met    int       // how often it was met in a row
}

func newRetries() retries { return retries{pauses: newPauses()} }

// progress forgets them.
func (r *retries) progress() {
	if r.failed == 0 {
		return
	}
	r.failed, r.cause = 0, ""
	r.pauses.Reset()
}

// next returns whether to retry after an error, and after what pause.
func (r *retries) next(what reaction, now time.Time) (pause time.Duration, again bool) {
	again = what.cause != r.cause
	if again {
		r.cause, r.since, r.met = what.cause, now, 0
	}
	r.met++
	switch what.response {
	case stop:
		return 0, false
	case reopenOnce:
		if !again {
			return 0, false
		}
	case reopenWhile:
		if now.Sub(r.since) >= patience && r.met >= leastMet {
			return 0, false
		}
	case reopen:
	}
	r.failed++
	pause = r.pauses.NextBackOff()
	if what.delay > 0 { // spread, so that all callers that were asked to wait do not return at once
		pause += what.delay
	}
	return pause, true
}
