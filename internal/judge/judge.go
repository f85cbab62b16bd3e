package judge

import (
	"cmp"

	"github.com/cantonlb/cantonlb/report"
)

// Class is how an endpoint counts in its set.
type Class uint8

// The classes.
const (
	// Out means that the endpoint cannot serve now.
	Out Class = iota
	// Undecided means that the endpoint is connecting or not yet probed, with no
	// evidence against it. While no endpoint is eligible, calls wait for the undecided
	// ones.
	Undecided
	// Eligible means that the endpoint may be picked.
	Eligible
)

// Standing is how fit an endpoint is to serve, drained or not, from worst to best.
type Standing uint8

// The standings.
const (
	// Unfit means that the endpoint cannot serve now.
	Unfit Standing = iota
	// Open means that the endpoint is connecting or not yet probed, with no evidence
	// against it.
	Open
	// Suspect means that the endpoint can serve, and that there is evidence against
	// it.
	Suspect
	// Fit means that the endpoint can serve.
	Fit
)

// Judgement is the result of [Judge]: the state of an endpoint and what follows from
// it.
type Judgement struct {
	Class    Class
	Standing Standing
	State    report.EndpointState
	Why
	// Serves reports whether the endpoint could be picked if it were neither drained
	// nor ejected.
	Serves bool
	// Sick reports that the server does not serve, or that the peer of its connection
	// does not answer, so that calls on it are retried on another endpoint.
	Sick bool
	// Health is the health state that is reported for the endpoint.
	Health report.HealthState
	// Memory is what the next judgement needs to know of this one.
	Memory Memory
}

// Judge returns the judgement of the facts. It is a pure function.
func Judge(f Facts) Judgement {
	f.Health.State = cmp.Or(f.Health.State, report.HealthUnknown)
	j := Judgement{Serves: f.serves(), Sick: f.sick(), Health: f.Health.State, Memory: f.Memory}
	j.Standing = f.standing(j.Serves)
	j.Class = f.class(j.Standing)
	j.State = f.state(j.Serves)
	j.Why = f.why(j.State)
	switch {
	case j.Serves:
		j.Memory.Troubled = false
	case j.Class == Out && !f.Drained:
		j.Memory.Troubled = true
	}
	if f.Health.State != report.Suspect { // a suspect endpoint keeps its last report
		j.Memory.Claims = f.Health.Reason == report.ReasonServing
	}
	if f.Channel == Failing {
		j.Health = report.Unhealthy
	}
	return j
}

// serves reports whether the endpoint could be picked if it were neither drained nor
// ejected.
func (f Facts) serves() bool {
	healthy := f.Health.State == report.Healthy || f.Health.State == report.Suspect
	return f.Link == Connected && healthy && (f.Liveness == Alive || f.Liveness == Silent) && f.Channel == Passing &&
		(f.Identity == Unquestioned || f.Identity == Confirmed)
}

// sick reports whether calls in flight on the endpoint are in vain.
func (f Facts) sick() bool {
	return f.Health.State == report.Unhealthy || f.Liveness == Dead && f.Link == Connected
}

func (f Facts) standing(serves bool) Standing {
	switch {
	case serves && f.Evidence != Admitted:
		return Unfit
	case serves && (f.Health.State == report.Suspect || f.Liveness == Silent):
		return Suspect
	case serves:
		return Fit
	case f.Memory.Troubled, f.LinkWhy.unreachable(), f.Channel == Failing, f.misidentified(), f.Health.State == report.Unhealthy, f.Liveness == Dead:
		return Unfit
	default:
		return Open
	}
}

func (f Facts) class(s Standing) Class {
	switch {
	case f.Drained, f.Link == Closed, s == Unfit:
		return Out
	case s == Open:
		return Undecided
	default:
		return Eligible
	}
}

// misidentified reports whether a validation of the server's identity has failed.
func (f Facts) misidentified() bool { return f.Identity == Unconfirmed || f.Identity == Mismatch }

// state returns the state that matters most.
func (f Facts) state(serves bool) report.EndpointState {
	connected, sick := f.Link == Connected, f.Health.State == report.Unhealthy
	switch {
	case f.Drained:
		return report.StateDrained
	case f.Evidence != Admitted && serves:
		return report.StateEjected
	case connected && f.Channel == Unheard && !sick:
		return f.unconnected() // its health is known at once
	case connected && (f.Channel == Failing || f.misidentified() || f.Liveness == Dead):
		return report.StateUnhealthy
	case connected && !sick && (f.Channel == Pending || f.Identity == Asking || f.Liveness == Unproven):
		return report.StateUnknown
	case connected, sick && f.LinkWhy.Reason == report.ReasonNone: // its health is known without a connection
		return f.health()
	default:
		return f.unconnected()
	}
}

// unconnected returns the state of an endpoint without a usable connection.
func (f Facts) unconnected() report.EndpointState {
	if f.LinkWhy.unreachable() {
		return report.StateUnreachable
	}
	return report.StateConnecting
}

// unreachable reports whether the reason is that an attempt to connect has failed.
func (w Why) unreachable() bool {
	return w.Reason != report.ReasonNone && w.Reason != report.ReasonConnectionLost
}

// refused reports whether the address where health is checked cannot be reached.
func (h Health) refused() bool {
	return h.State == report.Unhealthy && (h.Reason == report.ReasonConnectFailed || h.Reason == report.ReasonHandshakeFailed)
}

// health returns the state that follows from the probes.
func (f Facts) health() report.EndpointState {
	switch s, l := f.Health.State, f.Liveness; {
	case f.Health.refused():
		return report.StateUnreachable
	case s == report.Healthy && l == Silent, s == report.Suspect:
		return report.StateSuspect
	case s == report.Healthy:
		return report.StateHealthy
	case s == report.Unhealthy:
		return report.StateUnhealthy
	default:
		return report.StateUnknown
	}
}

// why returns the reason of a state.
func (f Facts) why(s report.EndpointState) Why {
	sick := f.Health.State == report.Unhealthy
	switch {
	case s == report.StateDrained:
		return Why{Reason: report.ReasonDrained}
	case s == report.StateEjected:
		return Why{Reason: report.ReasonCallsFailing}
	case s == report.StateConnecting, s == report.StateUnreachable && f.LinkWhy.unreachable():
		return f.LinkWhy
	case f.Identity == Mismatch:
		return Why{Reason: report.ReasonIdentityMismatch, Detail: f.IdentityDetail}
	case f.Identity == Unconfirmed && !sick:
		return Why{Reason: report.ReasonNotValidated, Detail: f.IdentityDetail}
	case f.Channel == Failing, f.Channel == Pending && s == report.StateUnknown:
		return Why{Reason: report.ReasonChannelHealth, Detail: f.ChannelDetail}
	case s == report.StateUnknown && f.Identity == Asking && f.Health.State != report.HealthUnknown:
		return Why{Reason: report.ReasonValidating}
	case s == report.StateUnknown && f.Liveness == Unproven:
		return Why{}
	case f.Liveness == Dead && !sick, f.Liveness == Silent && f.Health.State == report.Healthy:
		return f.LivenessWhy
	default:
		return f.Health.Why
	}
}
