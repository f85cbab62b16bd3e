package quorum

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// usable returns the members that streams may use, the best first, and all members.
func (m *Members) usable() (best, all []Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	list, _ := m.candidatesLocked(now)
	for _, c := range list {
		all = append(all, c.member)
		if !c.record.dissents(now) || !c.record.excluded {
			best = append(best, c.member)
		}
	}
	return best, all
}

// exclude remembers that a member contradicted a stream, and returns the events to announce.
func (m *Members) exclude(name string, r Reason, detail string) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.findLocked(name)
	if x == nil {
		return nil
	}
	x.counts.Dissented++
	if !x.contradicted(m.now(), m.dissentFor(), true, r, detail) {
		return nil
	}
	return m.eventLocked(Event{Kind: EventDissent, Member: name, Reason: r, Detail: detail})
}

// lose notes that a stream cannot go on, and returns the events to announce.
func (m *Members) lose(err error) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return nil
	}
	m.lost = true
	return m.eventLocked(Event{Kind: EventAgreementLost, Reason: ReasonThreshold, Detail: err.Error()})
}

// note makes an event, and returns it for announce.
func (m *Members) note(e Event) []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.eventLocked(e)
}

// failed remembers why a member's stream ended. It is not asked last for it: a stream
// may end for many reasons.
func (m *Members) failed(name string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x := m.findLocked(name); x != nil {
		x.lastError = detailOf(err)
	}
}

// changes returns a channel that is closed at the next change of the list, or of who may
// be used.
func (m *Members) changes() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// streamVerdict returns the Verdict of the members as a stream sees them.
func (m *Members) streamVerdict(agree int) Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	v := Verdict{Agree: agree, Of: len(m.list), Freshness: FreshnessStalePossible}
	for _, r := range m.list {
		a := Answer{Member: r.Name, Outcome: OutcomePending, Reason: ReasonNoAnswer, Detail: r.lastError}
		if r.dissents(now) && r.excluded {
			a.Outcome, a.Reason, a.Detail = OutcomeDissenting, r.reason, r.detail
		}
		v.Answers = append(v.Answers, a)
	}
	return v
}

// ClearDissent forgets that a member contradicted others, so that it is asked like any
// other again. A name that is not in the list is an error.
func (m *Members) ClearDissent(name string) error {
	m.mu.Lock()
	r := m.findLocked(name)
	var told []Event
	if r != nil && r.clear() {
		m.wakeLocked()
		told = m.eventLocked(Event{Kind: EventDissentCleared, Member: name, Reason: ReasonByHand})
	}
	m.mu.Unlock()
	if r == nil {
		return fmt.Errorf("quorum: no member %q in the list", cleantext.Detail(name))
	}
	m.announce(told)
	return nil
}
