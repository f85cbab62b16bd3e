package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// description is an endpoint's state, and why.
type description struct {
	state  report.EndpointState
	reason report.Reason
	detail string
}

// stateLocked gives the endpoint's state. It costs next to nothing.
func (e *endpoint) stateLocked() report.EndpointState {
	connected := e.link.phase == ready
	switch {
	case e.drained:
		return report.StateDrained
	case e.ejection.phase != admitted && e.servesLocked():
		return report.StateEjected
	case connected && !e.conn.heardOfHealth && e.health.state != report.Unhealthy:
		return report.StateConnecting // its health is heard of at once
	case connected && (e.channel.failing || e.validation.failed()):
		return report.StateUnhealthy
	case connected && e.channel.pending && e.health.state != report.Unhealthy:
		return report.StateUnknown
	case connected && !e.validatedLocked() && e.health.state != report.Unhealthy:
		return report.StateUnknown
	case connected, e.health.state == report.Unhealthy && e.connErr == nil:
		return report.EndpointState(e.health.state)
	default:
		return report.StateConnecting
	}
}

// describeLocked gives the endpoint's state with its reason.
func (e *endpoint) describeLocked() description {
	d := description{state: e.stateLocked()}
	switch {
	case d.state == report.StateDrained:
		d.reason = report.ReasonDrained
	case d.state == report.StateEjected:
		d.reason = report.ReasonCallsFailing
	case d.state == report.StateConnecting:
		d.reason, d.detail = e.connReason, cleantext.Detail(errorText(e.connErr))
	case e.validation.last == identityMismatch, e.validation.failed() && e.health.state != report.Unhealthy:
		d.reason, d.detail = e.validation.reason(), e.validationDetail
	case e.channel.failing, e.channel.pending && d.state == report.StateUnknown:
		d.reason, d.detail = report.ReasonChannelHealth, cleantext.Detail(errorText(e.channel.err))
	case d.state == report.StateUnknown && e.health.state != report.HealthUnknown:
		d.reason = report.ReasonValidating
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
	if state == e.shown && (state != report.StateConnecting || e.connReason == e.shownReason) {
		return
	}
	d := e.describeLocked()
	if d.state == report.StateUnknown && d.reason == report.ReasonConnectionLost {
		d.reason = report.ReasonNone // the loss was an event of its own, and is over
	}
	e.changeLocked(d)
}

// removedLocked makes the last event of an endpoint that leaves the list.
func (e *endpoint) removedLocked() {
	e.changeLocked(description{state: report.StateRemoved})
}

func (e *endpoint) changeLocked(d description) {
	event := report.Event{
		Kind: report.EventEndpoint, Endpoint: e.name, From: e.shown, To: d.state, Reason: d.reason, Detail: d.detail, At: time.Now(),
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
