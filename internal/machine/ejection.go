package machine

import "time"

// EjectionPhase is the phase of an endpoint's ejection.
type EjectionPhase uint8

const (
	// Admitted means that the endpoint is picked as usual.
	Admitted EjectionPhase = iota
	// Ejected means that the endpoint is not picked.
	Ejected
	// OnTrial means that one call may show whether the endpoint works again.
	OnTrial
)

// EjectionEvent is an input of the ejection state machine.
type EjectionEvent uint8

const (
	// CallsFail reports that the configured number of calls in a row has failed, and
	// that the set can spare the endpoint.
	CallsFail EjectionEvent = iota
	// TimeIsUp reports that the time of the ejection or of the trial is over.
	TimeIsUp
	// CallAnswered reports that a call on the endpoint was answered.
	CallAnswered
	// CallFailed reports that a call on the endpoint has failed.
	CallFailed
	// Pardon admits the endpoint again, because it has a new connection or because
	// no other endpoint is left.
	Pardon
)

// Ejection is the state machine that ejects an endpoint whose calls fail although
// its probes pass.
type Ejection struct {
	Phase EjectionPhase
	// times counts the ejections in close succession. lasts is how long the last
	// ejection was.
	times int
	lasts time.Duration
	// Until is when the present phase ends. In the phase Admitted it is when the
	// endpoint was admitted.
	Until time.Time
}

// EjectionLimits bounds how long an ejection lasts: Base at first, Most at most. U is
// a random number in [0, 1).
type EjectionLimits struct {
	Base, Most time.Duration
	U          float64
}

// ejectionJitter is the share by which an ejection may last longer, so that the
// clients of one server do not all return to it at once.
const ejectionJitter = 0.2

// Next returns the ejection after event e at the time now.
//
//	admitted  callsFail     -> ejected   for Base, doubled each time that follows closely
//	ejected   timeIsUp      -> onTrial   for one call
//	onTrial   callAnswered  -> admitted
//	onTrial   callFailed    -> ejected   for longer
//	onTrial   timeIsUp      -> onTrial   for one more call: the last has not ended
//	any       pardon        -> admitted
//
// An ejection follows closely if the endpoint was admitted for less time than the
// ejection before lasted.
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

// again returns the next ejection: twice as long as the last, with jitter.
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
