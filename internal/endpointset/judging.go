package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// facts puts together what is known of the endpoint. There is no other place from
// which a judgement is made.
func (e *endpoint) facts() judge.Facts {
	f := judge.Facts{
		Drained: e.drained, Link: linkFacts[e.link.phase], LinkWhy: e.linkWhy,
		Health: e.health, Channel: e.channel, ChannelDetail: e.channelDetail,
		Evidence: evidenceFacts[e.ejection.phase], IdentityDetail: e.validationDetail, Memory: e.was.Memory,
	}
	switch {
	case e.replaces != nil:
		f.Membership = judge.Joining
	case e.unlisted:
		f.Membership = judge.Leaving
	}
	if e.set.options.Validator != nil {
		f.Identity = identityFacts[e.validation.last]
	}
	return f
}

// The phases of the endpoint's own state machines, as a judge knows them.
var (
	linkFacts     = [...]judge.Link{waiting: judge.Waiting, connecting: judge.Connecting, ready: judge.Connected, closed: judge.Closed}
	evidenceFacts = [...]judge.Evidence{admitted: judge.Admitted, ejected: judge.Ejected, onTrial: judge.OnTrial}
	identityFacts = [...]judge.Identity{
		identityUnknown: judge.Asking, identityValid: judge.Confirmed,
		identityRetry: judge.Unconfirmed, identityMismatch: judge.Mismatch,
	}
)

// applyLocked judges the endpoint anew, and does what follows from the difference to
// what it was. It is called once for each cause, when everything that the cause has
// changed stands in the facts; so a cause makes at most one event of the endpoint. It
// takes the same time however large the set is.
func (e *endpoint) applyLocked() {
	s, was := e.set, e.was
	is := judge.Judge(e.facts())
	e.was = is
	if is.Serves != was.Serves {
		e.offerTrialLocked()
	}
	if is.Serves {
		e.provenLocked()
	}
	e.admitLocked()
	if is.Class != was.Class {
		s.reclassLocked(e, was.Class)
	}
	e.observeLocked(was)
	s.rescueLocked(e, was)
	e.tellLocked(was)
	e.decidedLocked()
}

// provenLocked notes that the endpoint serves on its connection.
func (e *endpoint) provenLocked() {
	var effects linkEffects
	e.link, effects = e.link.next(linkProven, len(e.want.addrs))
	if effects.reset && e.backoff != nil {
		e.backoff.Reset()
	}
}

// decidedLocked ends what waits for the endpoint to find out what it is.
func (e *endpoint) decidedLocked() {
	if e.was.Class == judge.Undecided {
		return
	}
	if e.warming {
		e.warming = false
		e.set.warming--
		e.set.releaseLocked()
	}
	if e.replaces != nil {
		e.set.renewedLocked(e)
	}
}

// condition is what the choice of the active endpoint has to know of a judgement. It
// does not heed that the endpoint is drained, which the choice knows.
func condition(j judge.Judgement) selector.Condition {
	return selector.Condition{Standing: standings[j.Standing], Reason: j.Reason, Claims: j.Memory.Claims}
}

var standings = [...]selector.Standing{
	judge.Unfit: selector.Out, judge.Open: selector.Undecided, judge.Suspect: selector.Suspect, judge.Fit: selector.Fit,
}

// tellLocked makes an event of a change of the endpoint's state, if there is one.
// While it is connecting, it is one as well that an attempt has failed, and that the
// next has for another reason: else nothing would be heard of an endpoint that has never
// been connected.
func (e *endpoint) tellLocked(was judge.Judgement) {
	is := e.was
	switch {
	case e.unlisted, e.link.phase == closed:
		return
	case is.State == was.State && (is.State != report.StateConnecting || is.Reason == was.Reason):
		return
	}
	why := is.Why
	if is.State == report.StateUnknown && why.Reason == report.ReasonConnectionLost {
		why.Reason = report.ReasonNone // the loss was an event of its own, and is over
	}
	e.changedLocked(was.State, is.State, why)
}

// removedLocked makes the last event of an endpoint that leaves the list.
func (e *endpoint) removedLocked() {
	e.changedLocked(e.was.State, report.StateRemoved, judge.Why{})
}

func (e *endpoint) changedLocked(from, to report.EndpointState, why judge.Why) {
	event := report.Event{
		Kind: report.EventEndpoint, Endpoint: e.name, From: from, To: to, Reason: why.Reason, Detail: why.Detail, At: time.Now(),
	}
	if from != "" {
		event.Held = event.At.Sub(e.since)
	}
	if from != to {
		e.since = event.At
	}
	e.count(to, why.Reason)
	e.set.emitLocked(event)
}
