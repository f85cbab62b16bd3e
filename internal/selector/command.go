package selector

import (
	"github.com/cantonlb/cantonlb/report"
)

// command checks a command and applies it.
func (s State) command(e Event) (State, order, *RefusedError) {
	if e.Kind == EventUnpin {
		s.pin = ""
		return s, order{}, nil
	}
	words := map[Kind]string{EventSwitch: "switch", EventPin: "pin", EventDrain: "drain", EventUndrain: "undrain"}
	refuse := func(r report.Reason, why string) (State, order, *RefusedError) {
		return s, order{}, &RefusedError{Command: words[e.Kind], Name: e.Name, Reason: r, why: why}
	}
	m := s.named(e.Name)
	if m == nil || e.Kind != EventSwitch && s.listed(e.Name) == nil {
		return refuse(report.ReasonNone, "no such endpoint in the list")
	}
	switch e.Kind {
	case EventSwitch, EventPin:
		if e.Kind == EventSwitch && !s.allows(m) {
			return refuse(report.ReasonPinned, "another endpoint is pinned: unpin it first")
		}
		if !m.eligible() {
			return refuse(s.lossOf(m.ID), "it is not eligible")
		}
		if e.Kind == EventSwitch {
			return s, order{to: m.ID, reason: report.ReasonByHand}, nil
		}
		s.pin = m.Name
		return s, order{to: m.ID, reason: report.ReasonPinned}, nil
	case EventDrain:
		if s.pin == m.Name {
			return refuse(report.ReasonPinned, "it is pinned: unpin it first")
		}
		if !s.canSpare(m.Name) {
			return refuse(report.ReasonNoStandby, "no other endpoint could be active")
		}
		return s.changing(m.Name, func(m *member) { m.drained = true }), order{}, nil
	default: // EventUndrain
		return s.changing(m.Name, func(m *member) {
			if m.drained {
				m.drained, m.since = false, e.At
			}
		}), order{}, nil
	}
}

// named returns the member with a name, the eligible one if there are two, or nil
// if there is none.
func (s State) named(name string) *member {
	var found *member
	for i := range s.members {
		if m := &s.members[i]; m.Name == name && (found == nil || m.eligible() && !found.eligible()) {
			found = m
		}
	}
	return found
}

// listed returns the member of the list with a name, or nil if there is none.
func (s State) listed(name string) *member {
	for i := range s.members {
		if m := &s.members[i]; m.Name == name && !m.Leaving {
			return m
		}
	}
	return nil
}

// canSpare reports whether a member of the list may be drained: another one must be
// left that is not drained. If it is the active member, another one must be eligible,
// which may be one that is leaving.
func (s State) canSpare(name string) bool {
	active := s.find(s.active)
	left, able := false, active == nil || active.Name != name
	for i := range s.members {
		if m := &s.members[i]; m.Name != name && !m.drained && s.allows(m) {
			left = left || !m.Leaving
			able = able || m.eligible()
		}
	}
	return left && able
}
