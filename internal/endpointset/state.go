package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
)

// State is what an endpoint is, in one word: its connection, its health, and what
// has been decided about it, whichever matters most.
type State string

// The states of an endpoint. Only StateHealthy and StateSuspect may be picked.
const (
	// StateConnecting: there is no connection, or grpc has not told yet what it thinks
	// of it; one is being made, or the next attempt is waited for.
	StateConnecting State = "connecting"
	// StateUnknown: connected, and not judged yet.
	StateUnknown State = "unknown"
	// StateHealthy: it serves.
	StateHealthy State = "healthy"
	// StateSuspect: it served, and something speaks against it, but not yet enough.
	StateSuspect State = "suspect"
	// StateUnhealthy: it does not serve.
	StateUnhealthy State = "unhealthy"
	// StateEjected: its calls failed in a row although its probes pass.
	StateEjected State = "ejected"
	// StateDrained: it was taken out by hand.
	StateDrained State = "drained"
	// StateRemoved: it has left the list.
	StateRemoved State = "removed"
)

// description is an endpoint's state, and why.
type description struct {
	state  State
	reason healthcheck.Reason
	detail string
}

// stateLocked gives the endpoint's state. It costs next to nothing.
func (e *endpoint) stateLocked() State {
	connected := e.link.phase == ready
	switch {
	case e.drained:
		return StateDrained
	case e.ejection.phase != admitted && e.servesLocked():
		return StateEjected
	case connected && !e.conn.heardOfHealth && e.health.state != healthcheck.Unhealthy:
		return StateConnecting // its health is heard of at once
	case connected && (e.channel.failing || e.validation.failed()):
		return StateUnhealthy
	case connected && e.channel.pending && e.health.state != healthcheck.Unhealthy:
		return StateUnknown
	case connected && !e.validatedLocked() && e.health.state != healthcheck.Unhealthy:
		return StateUnknown
	case connected, e.health.state == healthcheck.Unhealthy && e.connErr == nil:
		return State(e.health.state.String())
	default:
		return StateConnecting
	}
}

// describeLocked gives the endpoint's state with its reason.
func (e *endpoint) describeLocked() description {
	d := description{state: e.stateLocked()}
	switch {
	case d.state == StateDrained:
		d.reason = healthcheck.ReasonDrained
	case d.state == StateEjected:
		d.reason = healthcheck.ReasonCallsFailing
	case d.state == StateConnecting:
		d.reason, d.detail = e.connReason, healthcheck.CleanDetail(errorText(e.connErr))
	case e.validation.last == identityMismatch, e.validation.failed() && e.health.state != healthcheck.Unhealthy:
		d.reason, d.detail = e.validation.reason(), e.validationDetail
	case e.channel.failing, e.channel.pending && d.state == StateUnknown:
		d.reason, d.detail = healthcheck.ReasonChannelHealth, healthcheck.CleanDetail(errorText(e.channel.err))
	case d.state == StateUnknown && e.health.state != healthcheck.Unknown:
		d.reason = healthcheck.ReasonValidating
	default:
		d.reason, d.detail = e.health.reason, e.health.detail
	}
	return d
}

// showLocked makes an event of a change of the endpoint's state, if there is one.
// While it is connecting, it is one as well that an attempt has failed, and that the
// next has for another reason: else nobody would hear of an endpoint that has never
// been connected.
func (e *endpoint) showLocked() {
	if e.unlisted || e.link.phase == closed {
		return
	}
	state := e.stateLocked()
	if state == e.shown && (state != StateConnecting || e.connReason == e.shownReason) {
		return
	}
	d := e.describeLocked()
	if d.state == StateUnknown && d.reason == healthcheck.ReasonConnectionLost {
		d.reason = healthcheck.ReasonNone // the loss was an event of its own, and is over
	}
	e.changeLocked(d)
}

// removedLocked makes the last event of an endpoint that leaves the list.
func (e *endpoint) removedLocked() {
	e.changeLocked(description{state: StateRemoved})
}

func (e *endpoint) changeLocked(d description) {
	event := Event{
		Kind: EventEndpoint, Endpoint: e.name, From: e.shown, To: d.state, Reason: d.reason, Detail: d.detail, At: time.Now(),
	}
	if e.shown != "" {
		event.Held = event.At.Sub(e.shownSince)
	}
	if e.shown != d.state {
		e.shownSince = event.At
	}
	e.shown, e.shownReason = d.state, d.reason
	e.countLocked(d.state, d.reason)
	e.set.emitLocked(event)
}
