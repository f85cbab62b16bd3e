package attempt

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

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
	root := r.lock()
	defer root.mu.Unlock()
	switch {
	case r.off:
		return CalledOff
	case root.spentLocked() || r.IsHedge() && r.last > 0 && root.tried[r.last-1].Sent: // a hedge is one attempt
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
	return r.countSentLocked() >= r.Max || len(r.tried) >= r.Max+mostUnsent
}

func (r *Record) countSentLocked() int {
	sent := 0
	for i := range r.tried {
		if r.tried[i].Sent {
			sent++
		}
	}
	return sent
}

// Again reports whether another round of the call is safe and within the bounds,
// after one that ended with err. The context of the call itself must still be
// valid, so that only Rescue can have cancelled the round.
func (r *Record) Again(err error) bool {
	return r.MayAgain(err) && (r.UseCharge() || r.Allow == nil || r.Allow())
}

// UseCharge reports whether a retry was taken from the budget that no attempt has used
// yet: by Rescue, or for a hedge that was not made. It counts as used from then on.
func (r *Record) UseCharge() bool {
	defer r.lock().mu.Unlock()
	charged := r.charged
	r.charged = false
	return charged
}

// MayAgain reports whether Again would return true if the budget allowed it.
func (r *Record) MayAgain(err error) bool {
	if err == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.refused || r.spentLocked():
		return false
	case r.off && !r.newest.answered:
		return true
	}
	failed := (status.Code(err) == codes.Unavailable || r.newest.denied) && (r.Rescuable || !r.sentLocked())
	return failed && len(r.tried) > 0 && r.explain == nil // an untried call was refused and would be again
}

// Pause returns how long to wait before another attempt, since servers have asked for
// that. It is 0 if they have not, or if the time has passed.
func (r *Record) Pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pauseLocked()
}

// outlastsLocked reports whether the context of the call is valid for longer than the
// pause, so that there can be another attempt.
func (r *Record) outlastsLocked() bool {
	pause := r.pauseLocked()
	return pause == 0 || r.carrier.Context == nil || Outlasts(r.carrier.Context, pause)
}

// Outlasts reports whether ctx is valid for longer than a pause.
func Outlasts(ctx context.Context, pause time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) > pause
}

func (r *Record) pauseLocked() time.Duration {
	if r.notBefore.IsZero() {
		return 0
	}
	return max(0, time.Until(r.notBefore))
}
