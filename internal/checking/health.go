package checking

import (
	"github.com/cantonlb/cantonlb/report"
)

// Thresholds say how much evidence a change of State requires.
type Thresholds struct {
	// Fall is how many failures in a row make an endpoint unhealthy, at least 1.
	Fall int
	// Rise is how many successes in a row make it healthy again, at least 1. A
	// single verdict is enough if it is the first one, or the first on a new
	// connection of an endpoint that was not unhealthy.
	Rise int
}

// Health is the complete state of one endpoint's health state machine. It is a
// value that only Next changes.
type Health struct {
	State report.HealthState
	// Reason and Detail say why State is what it is.
	Reason report.Reason
	Detail string
	// Fails counts failures in a row while Suspect, Passes successes in a row
	// while Unhealthy.
	Fails, Passes int
}

// EventKind says what an Event is.
type EventKind uint8

// The kinds of events.
const (
	// EventVerdict means that a probe has returned its verdict.
	EventVerdict EventKind = iota
	// EventDoubt means that there is evidence against the endpoint from something
	// other than a probe, such as silence. It can only make the endpoint suspect.
	EventDoubt
	// EventReset means that the endpoint has a new connection or has lost its old
	// one, so that earlier verdicts no longer count.
	EventReset
)

// Event is one input of the state machine.
type Event struct {
	Kind    EventKind
	Verdict report.Verdict // of an EventVerdict
	Reason  report.Reason  // of an EventDoubt or EventReset
}

// Effects holds what the owner of the state machine must do after a step.
type Effects struct {
	// Changed says that State has changed, or its Reason or Detail.
	Changed bool
	// ProbeNow says to probe at once instead of at the next interval.
	ProbeNow bool
}

// Next is the state machine of health: a pure function of the previous state and an
// event.
//
//	unknown    serving            -> healthy
//	unknown    not serving/failed -> unhealthy
//	healthy    failed             -> suspect   (unhealthy if Fall is 1)
//	healthy    doubt              -> suspect   and probe now
//	suspect    serving            -> healthy
//	suspect    failed             -> unhealthy after Fall in a row
//	any        not serving        -> unhealthy
//	unhealthy  serving            -> healthy after Rise in a row
//	unhealthy  reset              -> unchanged and probe now
//	any other  reset              -> unknown   and probe now
//	any        inconclusive       -> unchanged
//	unknown    credentials failed -> healthy, so that calls get the error of the channel's credentials
func (h Health) Next(e Event, t Thresholds) (Health, Effects) {
	next := h
	var probeNow bool
	switch e.Kind {
	case EventReset:
		next, probeNow = h.reset(e.Reason), true
	case EventDoubt:
		if h.State == report.Healthy {
			next, probeNow = Health{State: report.Suspect, Reason: e.Reason}, true
		}
	case EventVerdict:
		next = h.judge(e.Verdict, t)
	}
	changed := next.State != h.State || next.Reason != h.Reason || next.Detail != h.Detail
	return next, Effects{Changed: changed, ProbeNow: probeNow}
}

func (h Health) reset(r report.Reason) Health {
	if h.State == report.Unhealthy { // passes count across connections, however short these are
		return h
	}
	return Health{State: report.HealthUnknown, Reason: r}
}

func (h Health) judge(v report.Verdict, t Thresholds) Health {
	switch v.Outcome {
	case report.Serving:
		if h.State == report.Unhealthy && h.Passes+1 < t.Rise {
			h.Passes++
			return h
		}
		return Health{State: report.Healthy, Reason: v.Reason, Detail: v.Detail}
	case report.NotServing:
		return Health{State: report.Unhealthy, Reason: v.Reason, Detail: v.Detail}
	case report.Failed:
		next := Health{Reason: v.Reason, Detail: v.Detail}
		switch h.State {
		case report.HealthUnknown, report.Unhealthy:
			next.State = report.Unhealthy
		default:
			next.State, next.Fails = report.Suspect, h.Fails+1
			if next.Fails >= t.Fall {
				next.State, next.Fails = report.Unhealthy, 0
			}
		}
		return next
	default:
		if h.State == report.HealthUnknown && v.Reason == report.ReasonCredentialsFailed {
			return Health{State: report.Healthy, Reason: v.Reason, Detail: v.Detail}
		}
		return h
	}
}
