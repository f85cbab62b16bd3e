package machine

import "time"

// Identity is what a validation said.
type Identity uint8

const (
	// IdentityUnknown: nothing yet on this connection.
	IdentityUnknown Identity = iota
	// IdentityValid: the endpoint is who it should be.
	IdentityValid
	// IdentityRetry: it could not be found out.
	IdentityRetry
	// IdentityMismatch: it is somebody else.
	IdentityMismatch
)

// ValidationEvent is one input of the state machine of validation.
type ValidationEvent uint8

const (
	// AskedFor: there is a new connection.
	AskedFor ValidationEvent = iota
	// SaidValid, saidRetry and saidMismatch: the question has been answered.
	SaidValid
	SaidRetry
	SaidMismatch
	// PauseOver: the pause before the next question is over.
	PauseOver
	// NowHealthy: the endpoint has become healthy, so that a question that could
	// not be answered may be answered now.
	NowHealthy
)

// Validation is the state machine of finding out whether the endpoint on one
// connection is who it should be. Its zero value is that of a new connection.
type Validation struct {
	Last   Identity // of the questions so far
	asking bool     // a question is under way
	times  int      // how often in a row the last answer was given
}

// ValidationEffects is what has to be done after a step.
type ValidationEffects struct {
	Ask  bool          // askServer now
	Wait time.Duration // until pauseOver; 0 is no pause
}

// The pauses before a question is asked again: they double from the first value up
// to the second. Someone else is hardly ever replaced by the right one without the
// connection being lost, which is asked about at once.
const (
	minRetryPause    = 100 * time.Millisecond
	maxRetryPause    = 10 * time.Second
	minMismatchPause = 10 * time.Second
	maxMismatchPause = time.Minute
)

// Next is a pure function of the validation before, the event and a random number
// u from 0 up to 1.
//
//	new           askedFor             -> asking
//	asking        saidValid            -> valid, for as long as the connection lasts
//	asking        saidRetry            -> retry, and a pause of 0.1 s to 10 s
//	asking        saidMismatch         -> mismatch, and a pause of 10 s to 1 min
//	retry         pauseOver|nowHealthy -> asking; until it is answered the last answer holds
//	mismatch      pauseOver            -> asking; the same
func (v Validation) Next(e ValidationEvent, u float64) (Validation, ValidationEffects) {
	switch {
	case v.Last == IdentityValid:
		return v, ValidationEffects{}
	case v.asking:
		return v.answered(e, u)
	case e == AskedFor && v.Last == IdentityUnknown,
		e == PauseOver && v.Last != IdentityUnknown,
		e == NowHealthy && v.Last == IdentityRetry:
		v.asking = true
		return v, ValidationEffects{Ask: true}
	default:
		return v, ValidationEffects{}
	}
}

// pauseJitter is by what share a pause is made shorter or longer.
const pauseJitter = 0.2

func (v Validation) answered(e ValidationEvent, u float64) (Validation, ValidationEffects) {
	said, least, most := IdentityValid, time.Duration(0), time.Duration(0)
	switch e {
	case SaidValid:
	case SaidRetry:
		said, least, most = IdentityRetry, minRetryPause, maxRetryPause
	case SaidMismatch:
		said, least, most = IdentityMismatch, minMismatchPause, maxMismatchPause
	default:
		return v, ValidationEffects{}
	}
	if said != v.Last {
		v.times = 0
	}
	pause := least
	for range v.times {
		if pause *= 2; pause >= most {
			break
		}
	}
	pause = min(pause, most)
	pause += time.Duration(float64(pause) * pauseJitter * (2*u - 1))
	return Validation{Last: said, times: v.times + 1}, ValidationEffects{Wait: pause}
}
