package healthcheck

// State is an endpoint's health, after thresholds.
type State uint8

// The states of health. Healthy and Suspect endpoints may be picked.
const (
	// Unknown: nothing has been learnt since the beginning, or since the
	// connection was made anew.
	Unknown State = iota
	// Healthy: the endpoint serves.
	Healthy
	// Suspect: the endpoint was healthy, and something speaks against it, but
	// not yet enough. It is still picked, and is probed at once and more often.
	Suspect
	// Unhealthy: the endpoint does not serve, or has failed Fall times in a row.
	Unhealthy
)

// String gives the word used in logs, metrics and errors.
func (s State) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Suspect:
		return "suspect"
	case Unhealthy:
		return "unhealthy"
	default:
		return "unknown"
	}
}

// Thresholds say how much evidence a change of State takes.
type Thresholds struct {
	// Fall is how many failures in a row make an endpoint unhealthy, at least 1.
	Fall int
	// Rise is how many successes in a row make it healthy again, at least 1. The
	// first verdict of all, and the first on a new connection of an endpoint
	// that was not unhealthy, needs just one.
	Rise int
}

// Health is the whole state of one endpoint's health state machine: a value,
// changed by Next only.
type Health struct {
	State State
	// Reason and Detail tell why State is what it is.
	Reason Reason
	Detail string
	// Fails counts failures in a row while Suspect, Passes successes in a row
	// while Unhealthy.
	Fails, Passes int
}

// EventKind says what an Event is.
type EventKind uint8

// The kinds of events.
const (
	// EventVerdict: a probe has given its verdict.
	EventVerdict EventKind = iota
	// EventDoubt: something other than a probe speaks against the endpoint,
	// such as silence. Never more than a suspicion.
	EventDoubt
	// EventReset: the endpoint has a new connection, or has lost its old one,
	// and what was known of it no longer counts.
	EventReset
)

// Event is one input of the state machine.
type Event struct {
	Kind    EventKind
	Verdict Verdict // of an EventVerdict
	Reason  Reason  // of an EventDoubt or EventReset
}

// Effects is what the owner of the state machine must do after a step.
type Effects struct {
	// Changed: State is another one than before.
	Changed bool
	// ProbeNow: ask at once rather than at the next interval.
	ProbeNow bool
}

// Next is the state machine of health: a pure function of the state before and
// an event.
//
//	unknown    serving            -> healthy
//	unknown    not serving/failed -> unhealthy
//	healthy    failed             -> suspect   (unhealthy if Fall is 1)
//	healthy    doubt              -> suspect   and probe now
//	suspect    serving            -> healthy
//	suspect    failed             -> unhealthy after Fall in a row
//	any        not serving        -> unhealthy
//	unhealthy  serving            -> healthy after Rise in a row
//	unhealthy  reset              -> unhealthy, counting from the start
//	any other  reset              -> unknown   and probe now
//	any        inconclusive       -> as it was
func (h Health) Next(e Event, t Thresholds) (Health, Effects) {
	next := h
	var probeNow bool
	switch e.Kind {
	case EventReset:
		next, probeNow = h.reset(e.Reason), true
	case EventDoubt:
		if h.State == Healthy {
			next, probeNow = Health{State: Suspect, Reason: e.Reason}, true
		}
	case EventVerdict:
		next = h.judge(e.Verdict, t)
	}
	return next, Effects{Changed: next.State != h.State, ProbeNow: probeNow}
}

func (h Health) reset(r Reason) Health {
	if h.State == Unhealthy {
		h.Passes = 0
		return h
	}
	return Health{State: Unknown, Reason: r}
}

func (h Health) judge(v Verdict, t Thresholds) Health {
	switch v.Outcome {
	case Serving:
		if h.State == Unhealthy && h.Passes+1 < t.Rise {
			h.Passes++
			return h
		}
		return Health{State: Healthy, Reason: v.Reason, Detail: v.Detail}
	case NotServing:
		return Health{State: Unhealthy, Reason: v.Reason, Detail: v.Detail}
	case Failed:
		next := Health{Reason: v.Reason, Detail: v.Detail}
		switch h.State {
		case Unknown, Unhealthy:
			next.State = Unhealthy
		default:
			next.State, next.Fails = Suspect, h.Fails+1
			if next.Fails >= t.Fall {
				next.State, next.Fails = Unhealthy, 0
			}
		}
		return next
	default:
		return h
	}
}
