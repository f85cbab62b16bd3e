package machine

import "time"

// EjectionPhase is where an endpoint stands whose calls have failed.
type EjectionPhase uint8

const (
	// Admitted: it is picked like any other.
	Admitted EjectionPhase = iota
	// Ejected: it is not picked.
	Ejected
	// OnTrial: one call may show whether it works again.
	OnTrial
)

// EjectionEvent is one input of the ejection's state machine.
type EjectionEvent uint8

const (
	// CallsFail: as many calls in a row have failed as it takes, and the set can
	// spare the endpoint.
	CallsFail EjectionEvent = iota
	// TimeIsUp: the time of the ejection is over, or that of the trial is.
	TimeIsUp
	// CallAnswered and callFailed: a call on the endpoint has ended.
	CallAnswered
	CallFailed
	// Pardon: the endpoint starts afresh, because it has a new connection or
	// because nobody else is left.
	Pardon
)

// Ejection is the state machine of taking out an endpoint whose real calls fail
// although its probes pass.
type Ejection struct {
	Phase EjectionPhase
	// times is how often it was ejected in close succession, and lasts how long
	// the last ejection was.
	times int
	lasts time.Duration
	// Until is when the present phase ends, unless admitted; then it is when it
	// was admitted.
	Until time.Time
}

// EjectionLimits are the times of ejection. U is a random number from 0 up to 1.
type EjectionLimits struct {
	Base, Most time.Duration
	U          float64
}

// ejectionJitter is by what share an ejection may last longer, so that the
// clients of one server do not all come back to it at once.
const ejectionJitter = 0.2

// Next is a pure function of the ejection before, the event and the time.
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
func (x Ejection) Next(e EjectionEvent, now time.Time, limits EjectionLimits) Ejection {
	switch {
	case e == Pardon:
		return Ejection{Until: now}
	case e == CallsFail && x.Phase == Admitted:
		if now.Sub(x.Until) >= x.lasts {
			x.times = 0
		}
		return x.again(now, limits)
	case e == TimeIsUp && x.Phase != Admitted:
		x.Phase, x.Until = OnTrial, now.Add(limits.Base)
		return x
	case e == CallAnswered && x.Phase == OnTrial:
		x.Phase, x.Until = Admitted, now
		return x
	case e == CallFailed && x.Phase == OnTrial:
		return x.again(now, limits)
	default:
		return x
	}
}

// again ejects for the time that is due.
func (x Ejection) again(now time.Time, limits EjectionLimits) Ejection {
	d := limits.Base
	for range x.times {
		if d *= 2; d >= limits.Most {
			break
		}
	}
	d = min(d, limits.Most)
	d += time.Duration(float64(d) * ejectionJitter * limits.U)
	return Ejection{Phase: Ejected, times: x.times + 1, lasts: d, Until: now.Add(d)}
}
