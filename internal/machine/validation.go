package machine

import "time"

// Identity is the result of a validation.
type Identity uint8

const (
	// IdentityUnknown means that there is no result yet on this connection.
	IdentityUnknown Identity = iota
	// IdentityValid means that the endpoint is the expected one.
	IdentityValid
	// IdentityRetry means that the validation could not be completed.
	IdentityRetry
	// IdentityMismatch means that the endpoint is another one than expected.
	IdentityMismatch
)

// ValidationEvent is an input of the validation state machine.
type ValidationEvent uint8

const (
	// AskedFor reports that there is a new connection.
	AskedFor ValidationEvent = iota
	// SaidValid reports the result IdentityValid.
	SaidValid
	// SaidRetry reports the result IdentityRetry.
	SaidRetry
	// SaidMismatch reports the result IdentityMismatch.
	SaidMismatch
	// PauseOver reports that the pause before the next validation is over.
	PauseOver
	// NowHealthy reports that the endpoint has become healthy, so that a validation
	// that could not be completed may succeed now.
	NowHealthy
)

// Validation is the state machine that validates the identity of the endpoint on one
// connection. Its zero value is that of a new connection.
type Validation struct {
	Last   Identity // the last result
	asking bool     // a validation is under way
	times  int      // how often in a row the last result was returned
}

// ValidationEffects is what the owner of the validation does after a step.
type ValidationEffects struct {
	Ask  bool          // validate now
	Wait time.Duration // time until PauseOver; 0 means no pause
}

// The pauses before a validation is repeated double from min to max. They are longer
// after a mismatch: a wrong endpoint is hardly ever replaced by the right one without
// the connection being lost, and a new connection is validated at once.
const (
	minRetryPause    = 100 * time.Millisecond
	maxRetryPause    = 10 * time.Second
	minMismatchPause = 10 * time.Second
	maxMismatchPause = time.Minute
)

// Next returns the validation after event e, and the effects of the step. u is a random
// number in [0, 1).
//
//	new           askedFor             -> asking
//	asking        saidValid            -> valid, for as long as the connection lasts
//	asking        saidRetry            -> retry, and a pause of 0.1 s to 10 s
//	asking        saidMismatch         -> mismatch, and a pause of 10 s to 1 min
//	retry         pauseOver|nowHealthy -> asking; the last result holds until the next
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

// pauseJitter is the share by which a pause may be shorter or longer.
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
