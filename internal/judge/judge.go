package judge

import (
	"cmp"

	"github.com/cantonlb/cantonlb/report"
)

// Class is what an endpoint counts as among those of its set.
type Class uint8

// The classes.
const (
	// Out: it cannot serve now.
	Out Class = iota
	// Undecided: it is on its way, and nothing speaks against it yet. While no endpoint
	// is eligible, calls wait for the undecided.
	Undecided
	// Eligible: it may be picked.
	Eligible
)

// Standing is what speaks for an endpoint, drained or not, from worst to best.
type Standing uint8

// The standings.
const (
	// Unfit: it cannot serve now.
	Unfit Standing = iota
	// Open: it is on its way, and nothing speaks against it yet.
	Open
	// Suspect: it can serve, and something speaks against it.
	Suspect
	// Fit: it can serve.
	Fit
)

// Judgement is what an endpoint is.
type Judgement struct {
	Class    Class
	Standing Standing
	State    report.EndpointState
	Why
	// Serves: it could be picked, were it not drained or ejected.
	Serves bool
	// Sick: its server does not serve, so that calls that it holds are made again
	// elsewhere.
	Sick bool
	// Health is what is told of its health.
	Health report.HealthState
	// Memory is what the next judgement has to know of this one.
	Memory Memory
}

// Judge judges. It is a pure function.
func Judge(f Facts) Judgement {
	f.Health.State = cmp.Or(f.Health.State, report.HealthUnknown)
	j := Judgement{Serves: f.serves(), Sick: f.Health.State == report.Unhealthy, Health: f.Health.State, Memory: f.Memory}
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
	if f.Health.State != report.Suspect { // of a suspect, its last word stands
		j.Memory.Claims = f.Health.Reason == report.ReasonServing
	}
	if f.Channel == Failing {
		j.Health = report.Unhealthy
	}
	return j
}

// serves tells whether the endpoint could be picked, drained and ejected or not.
func (f Facts) serves() bool {
	healthy := f.Health.State == report.Healthy || f.Health.State == report.Suspect
	return f.Link == Connected && healthy && f.Liveness != Dead && f.Channel == Passing &&
		(f.Identity == Unquestioned || f.Identity == Confirmed)
}

func (f Facts) standing(serves bool) Standing {
	switch {
	case serves && f.Evidence != Admitted:
		return Unfit
	case serves && (f.Health.State == report.Suspect || f.Liveness == Silent):
		return Suspect
	case serves:
		return Fit
	case f.Memory.Troubled, f.Channel == Failing, f.misidentified(), f.Health.State == report.Unhealthy, f.Liveness == Dead:
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

// misidentified tells that the server was asked who it is, and did not answer well.
func (f Facts) misidentified() bool { return f.Identity == Unconfirmed || f.Identity == Mismatch }

// state gives the word that matters most.
func (f Facts) state(serves bool) report.EndpointState {
	connected, sick := f.Link == Connected, f.Health.State == report.Unhealthy
	switch {
	case f.Drained:
		return report.StateDrained
	case f.Evidence != Admitted && serves:
		return report.StateEjected
	case connected && f.Channel == Unheard && !sick:
		return report.StateConnecting // its health is heard of at once
	case connected && (f.Channel == Failing || f.misidentified() || f.Liveness == Dead):
		return report.StateUnhealthy
	case connected && !sick && (f.Channel == Pending || f.Identity == Asking):
		return report.StateUnknown
	case connected, sick && f.LinkWhy.Detail == "": // its health is known otherwise than by a connection
		return health(f.Health.State, f.Liveness)
	default:
		return report.StateConnecting
	}
}

func health(s report.HealthState, l Liveness) report.EndpointState {
	switch {
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

// why gives the reason of a state.
func (f Facts) why(s report.EndpointState) Why {
	sick := f.Health.State == report.Unhealthy
	switch {
	case s == report.StateDrained:
		return Why{Reason: report.ReasonDrained}
	case s == report.StateEjected:
		return Why{Reason: report.ReasonCallsFailing}
	case s == report.StateConnecting:
		return f.LinkWhy
	case f.Identity == Mismatch:
		return Why{Reason: report.ReasonIdentityMismatch, Detail: f.IdentityDetail}
	case f.Identity == Unconfirmed && !sick:
		return Why{Reason: report.ReasonNotValidated, Detail: f.IdentityDetail}
	case f.Channel == Failing, f.Channel == Pending && s == report.StateUnknown:
		return Why{Reason: report.ReasonChannelHealth, Detail: f.ChannelDetail}
	case s == report.StateUnknown && f.Health.State != report.HealthUnknown:
		return Why{Reason: report.ReasonValidating}
	case f.Liveness == Dead && !sick, f.Liveness == Silent && f.Health.State == report.Healthy:
		return f.LivenessWhy
	default:
		return f.Health.Why
	}
}
