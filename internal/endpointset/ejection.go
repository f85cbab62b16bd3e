package endpointset

import "time"

// ejectionPhase is where an endpoint stands whose calls have failed.
type ejectionPhase uint8

const (
	// admitted: it is picked like any other.
	admitted ejectionPhase = iota
	// ejected: it is not picked.
	ejected
	// onTrial: one call may show whether it works again.
	onTrial
)

// ejectionEvent is one input of the ejection's state machine.
type ejectionEvent uint8

const (
	// callsFail: as many calls in a row have failed as it takes, and the set can
	// spare the endpoint.
	callsFail ejectionEvent = iota
	// timeIsUp: the time of the ejection is over, or that of the trial is.
	timeIsUp
	// callAnswered and callFailed: a call on the endpoint has ended.
	callAnswered
	callFailed
	// pardon: the endpoint starts afresh, because it has a new connection or
	// because nobody else is left.
	pardon
)

// ejection is the state machine of taking out an endpoint whose real calls fail
// although its probes pass.
type ejection struct {
	phase ejectionPhase
	// times is how often it was ejected in close succession, and lasts how long
	// the last ejection was.
	times int
	lasts time.Duration
	// until is when the present phase ends, unless admitted; then it is when it
	// was admitted.
	until time.Time
}

// ejectionLimits are the times of ejection. u is a random number from 0 up to 1.
type ejectionLimits struct {
	base, most time.Duration
	u          float64
}

// ejectionJitter is by what share an ejection may last longer, so that the
// clients of one server do not all come back to it at once.
const ejectionJitter = 0.2

// next is a pure function of the ejection before, the event and the time.
//
//	admitted  callsFail     -> ejected   for base, and twice as long each time that follows closely
//	ejected   timeIsUp      -> onTrial   for one call
//	onTrial   callAnswered  -> admitted
//	onTrial   callFailed    -> ejected   for longer
//	onTrial   timeIsUp      -> onTrial   for one call more: the last has not ended
//	any       pardon        -> admitted
//
// An ejection follows closely if it begins before the endpoint has been admitted
// for as long as it was out.
func (x ejection) next(e ejectionEvent, now time.Time, limits ejectionLimits) ejection {
	switch {
	case e == pardon:
		return ejection{until: now}
	case e == callsFail && x.phase == admitted:
		if now.Sub(x.until) >= x.lasts {
			x.times = 0
		}
		return x.again(now, limits)
	case e == timeIsUp && x.phase != admitted:
		x.phase, x.until = onTrial, now.Add(limits.base)
		return x
	case e == callAnswered && x.phase == onTrial:
		x.phase, x.until = admitted, now
		return x
	case e == callFailed && x.phase == onTrial:
		return x.again(now, limits)
	default:
		return x
	}
}

// again ejects for the time that is due.
func (x ejection) again(now time.Time, limits ejectionLimits) ejection {
	d := limits.base
	for range x.times {
		if d *= 2; d >= limits.most {
			break
		}
	}
	d = min(d, limits.most)
	d += time.Duration(float64(d) * ejectionJitter * limits.u)
	return ejection{phase: ejected, times: x.times + 1, lasts: d, until: now.Add(d)}
}
