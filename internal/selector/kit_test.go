package selector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// story tells a state what happens, one event after the other.
type story struct {
	t       *testing.T
	state   State
	now     time.Time
	effects Effects
	// switches are all so far, as "from>to reason".
	switches []string
}

// tell begins a story with members of these names and of falling preference.
func tell(t *testing.T, cfg Config, names ...string) *story {
	t.Helper()
	s := &story{t: t, state: New(cfg), now: epoch}
	s.list(membersOf(names...)...)
	return s
}

func membersOf(names ...string) []Member {
	var list []Member
	for i, name := range names {
		list = append(list, Member{ID: i + 1, Name: name})
	}
	return list
}

func (s *story) next(e Event) *story {
	s.t.Helper()
	e.At = s.now
	before := s.state
	s.state, s.effects = s.state.Next(e)
	if sw := s.effects.Switch; sw.Number != 0 {
		assert.Equal(s.t, s.now, sw.At)
		s.switches = append(s.switches, sw.From.Name+">"+sw.To.Name+" "+string(sw.Reason))
	}
	if s.effects.Refused != nil {
		assert.Equal(s.t, before, s.state, "a refused command changes nothing")
	}
	return s
}

func (s *story) list(members ...Member) *story {
	return s.next(Event{Kind: EventMembers, Members: members})
}

func (s *story) is(name string, c Condition) *story {
	s.t.Helper()
	for i := range s.state.members {
		if m := s.state.members[i]; m.Name == name {
			return s.next(Event{Kind: EventCondition, ID: m.ID, Condition: c})
		}
	}
	require.Fail(s.t, "no member", name)
	return nil
}

func (s *story) up(names ...string) *story {
	for _, n := range names {
		s.is(n, Condition{Standing: Fit, Reason: report.ReasonServing, Claims: true})
	}
	return s
}

func (s *story) suspect(name string) *story {
	return s.is(name, Condition{Standing: Suspect, Reason: report.ReasonSilence, Claims: true})
}

func (s *story) undecided(name string) *story {
	return s.is(name, Condition{Standing: Undecided, Reason: report.ReasonConnectionLost})
}

func (s *story) out(names ...string) *story {
	for _, n := range names {
		s.is(n, Condition{Standing: Out, Reason: report.ReasonNotServing})
	}
	return s
}

func (s *story) command(k Kind, name string) *story { return s.next(Event{Kind: k, Name: name}) }

// after lets time pass: events come at each wake.
func (s *story) after(d time.Duration) *story {
	end := s.now.Add(d)
	for !s.effects.Wake.IsZero() && !s.effects.Wake.After(end) {
		require.True(s.t, s.effects.Wake.After(s.now), "a wake-up in the past")
		s.now = s.effects.Wake
		s.next(Event{Kind: EventTime})
	}
	s.now = end
	return s
}

func (s *story) active() string {
	m, _ := s.state.Active()
	return m.Name
}

func (s *story) wantActive(name string, why ...any) *story {
	s.t.Helper()
	assert.Equal(s.t, name, s.active(), why...)
	return s
}

func (s *story) wantSwitches(all ...string) *story {
	s.t.Helper()
	assert.Equal(s.t, all, s.switches)
	assert.EqualValues(s.t, len(all), s.state.Number())
	return s
}

func (s *story) wantRefused(text string, reason report.Reason) *story {
	s.t.Helper()
	if assert.NotNil(s.t, s.effects.Refused) {
		assert.EqualError(s.t, s.effects.Refused, text)
		assert.Equal(s.t, reason, s.effects.Refused.Reason)
	}
	return s
}
