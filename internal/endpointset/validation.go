package endpointset

import "time"

// identity is what a validation said.
type identity uint8

const (
	// identityUnknown: nothing yet on this connection.
	identityUnknown identity = iota
	// identityValid: the endpoint is who it should be.
	identityValid
	// identityRetry: it could not be found out.
	identityRetry
	// identityMismatch: it is somebody else.
	identityMismatch
)

// validationEvent is one input of the state machine of validation.
type validationEvent uint8

const (
	// askedFor: there is a new connection.
	askedFor validationEvent = iota
	// saidValid, saidRetry and saidMismatch: the question has been answered.
	saidValid
	saidRetry
	saidMismatch
	// pauseOver: the pause before the next question is over.
	pauseOver
	// nowHealthy: the endpoint has become healthy, so that a question that could
	// not be answered may be answered now.
	nowHealthy
)

// validation is the state machine of finding out whether the endpoint on one
// connection is who it should be. Its zero value is that of a new connection.
type validation struct {
	last   identity // of the questions so far
	asking bool     // a question is under way
	times  int      // how often in a row the last answer was given
}

// validationEffects is what has to be done after a step.
type validationEffects struct {
	ask  bool          // ask now
	wait time.Duration // until pauseOver; 0 is no pause
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

// next is a pure function of the validation before, the event and a random number
// u from 0 up to 1.
//
//	new           askedFor             -> asking
//	asking        saidValid            -> valid, for as long as the connection lasts
//	asking        saidRetry            -> retry, and a pause of 0.1 s to 10 s
//	asking        saidMismatch         -> mismatch, and a pause of 10 s to 1 min
//	retry         pauseOver|nowHealthy -> asking; until it is answered the last answer holds
//	mismatch      pauseOver            -> asking; the same
func (v validation) next(e validationEvent, u float64) (validation, validationEffects) {
	switch {
	case v.last == identityValid:
		return v, validationEffects{}
	case v.asking:
		return v.answered(e, u)
	case e == askedFor && v.last == identityUnknown,
		e == pauseOver && v.last != identityUnknown,
		e == nowHealthy && v.last == identityRetry:
		v.asking = true
		return v, validationEffects{ask: true}
	default:
		return v, validationEffects{}
	}
}

func (v validation) answered(e validationEvent, u float64) (validation, validationEffects) {
	said, least, most := identityValid, time.Duration(0), time.Duration(0)
	switch e {
	case saidValid:
	case saidRetry:
		said, least, most = identityRetry, minRetryPause, maxRetryPause
	case saidMismatch:
		said, least, most = identityMismatch, minMismatchPause, maxMismatchPause
	default:
		return v, validationEffects{}
	}
	if said != v.last {
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
	return validation{last: said, times: v.times + 1}, validationEffects{wait: pause}
}
