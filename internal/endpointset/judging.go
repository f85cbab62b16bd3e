package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// facts collects what is known about the endpoint. Judgements are made from its result
// only.
func (e *endpoint) facts() judge.Facts {
	f := judge.Facts{
		Drained: e.drained, Link: linkFacts[e.link.Phase()], LinkWhy: e.link.Why(),
		Health: e.health, Channel: e.channel, ChannelDetail: e.channelDetail,
		Evidence: evidenceFacts[e.ejection.Phase], IdentityDetail: e.validationDetail, Memory: e.was.Memory,
	}
	switch {
	case e.unlisted && e.joins != nil:
		f.Membership = judge.Joining
	case e.unlisted:
		f.Membership = judge.Leaving
	}
	if e.conn != nil {
		f.Liveness, f.LivenessWhy = e.conn.state, e.conn.why
	}
	if e.set.options.Validator != nil {
		f.Identity = identityFacts[e.validation.Last]
	}
	return f
}

// The phases of the endpoint's state machines as facts of a judge.
var (
	linkFacts = [...]judge.Link{
		machine.Waiting: judge.Waiting, machine.Connecting: judge.Connecting,
		machine.Ready: judge.Connected, machine.Closed: judge.Closed,
	}
	evidenceFacts = [...]judge.Evidence{machine.Admitted: judge.Admitted, machine.Ejected: judge.Ejected, machine.OnTrial: judge.OnTrial}
	identityFacts = [...]judge.Identity{
		machine.IdentityUnknown: judge.Asking, machine.IdentityValid: judge.Confirmed,
		machine.IdentityRetry: judge.Unconfirmed, machine.IdentityMismatch: judge.Mismatch,
	}
)

// applyLocked judges the endpoint again, and carries out the effects of the difference
// to the judgement before. It is called once for each cause, after everything that the
// cause has changed is in the facts, so a cause emits at most one event of the
// endpoint. It takes the same time however large the set is.
func (e *endpoint) applyLocked() {
	was := e.was
	is := judge.Judge(e.facts())
	e.was = is
	if is.Serves != was.Serves {
		e.offerTrialLocked()
	}
	if is.Serves && e.checker != nil { // a probe was answered on this connection
		e.link.Prove()
	}
	e.admitLocked()
	if is.Class != was.Class {
		e.reclassLocked(was.Class)
	}
	e.observeLocked(was)
	e.fellOrRoseLocked(was)
	e.leaveStreamsLocked(was)
	e.tellLocked(was)
	e.decidedLocked(was.Class)
}

// decidedLocked reports a change of the endpoint's class to the handover that waits for
// it, and to that of the list.
func (e *endpoint) decidedLocked(was judge.Class) {
	h := e.joins
	if h != nil && e.was.Class != judge.Undecided {
		h.forget(e)
		h.settle()
	}
	if list := e.set.handover; h != list.handover && len(list.old) > 0 && e.was.Class != was {
		list.settle()
	}
}

// tellLocked emits an event for a change of the endpoint's state, if there is one.
// While an endpoint is unreachable, an attempt that fails for another reason than the
// one before is an event as well.
func (e *endpoint) tellLocked(was judge.Judgement) {
	is := e.was
	switch {
	case e.unlisted && (e.leavingSince.IsZero() || e.superseded), e.link.Phase() == machine.Closed:
		return
	case is.State == was.State && (is.State != report.StateUnreachable || is.Reason == was.Reason):
		return
	}
	why := is.Why
	if is.State == report.StateUnknown && why.Reason == report.ReasonConnectionLost {
		why.Reason = report.ReasonNone // the loss was an event of its own, and is over
	}
	e.changedLocked(was.State, is.State, why)
}

func (e *endpoint) changedLocked(from, to report.EndpointState, why judge.Why) {
	event := report.Event{
		Kind: report.EventEndpoint, Endpoint: e.name, From: from, To: to, Reason: why.Reason, Detail: why.Detail, At: time.Now(),
		Passive: e.normalLocked() && !e.set.choice.isLast(e),
	}
	if from != "" {
		event.Held = event.At.Sub(e.since)
	}
	if from != to {
		e.since = event.At
	}
	e.transitions.Count(to, why.Reason)
	e.set.emitLocked(event)
}
