package selector

import (
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// State is the whole state of the choice: a value, made by New and changed by
// Next only.
type State struct {
	cfg     Config
	members []member // never changed in place
	active  int      // 0 while nobody is
	last    Member   // who was active last; zero before the first choice
	lost    report.Reason
	// since is when active became what it is, switched when the last switch was.
	since, switched time.Time
	number          uint64
	pin             string
	multiple        bool
	// first is when, before the first choice, somebody could be chosen; zero if
	// nobody can.
	first time.Time
}

// member is one member and what is known of it.
type member struct {
	Member

	condition Condition
	drained   bool
	// since is when it became eligible: the time of its recovery. turned is when
	// it became undecided.
	since, turned time.Time
	// served: it has been eligible, and has not relapsed since.
	served bool
	// relapses counts those in close succession.
	relapses int
}

// maxRelapses is where the hold-down stops growing: at 16 times what it was.
const maxRelapses = 5

func (m *member) eligible() bool { return m.condition.Standing >= Suspect && !m.drained }

// hold is the member's hold-down.
func (m *member) hold(base time.Duration) time.Duration {
	return base << (min(max(m.relapses, 1), maxRelapses) - 1)
}

// onProbation tells whether the member has relapsed and not made up for it yet.
func (m *member) onProbation(at time.Time, base time.Duration) bool {
	return m.relapses > 0 && at.Before(m.since.Add(m.hold(base)))
}

// become takes in a condition. One that is undecided for less than Patience, as
// when a server ages its connections, has not relapsed.
func (m *member) become(c Condition, at time.Time, base time.Duration) {
	was := m.condition.Standing
	m.condition = c
	blip := m.served && was == Undecided && at.Before(m.turned.Add(Patience))
	switch {
	case c.Standing == Undecided && was != Undecided:
		m.turned = at
	case c.Standing == Out && m.served:
		if was != Undecided {
			m.turned = at
		}
		m.relapse(base)
	case c.Standing >= Suspect && was < Suspect && !blip:
		if m.served {
			m.relapse(base)
		}
		m.served, m.since = true, at
	}
}

// relapse counts a relapse, which began when the member turned. Those of one
// that is drained are what it was drained for.
func (m *member) relapse(base time.Duration) {
	m.served = false
	if m.drained {
		return
	}
	if m.turned.Sub(m.since) >= 2*m.hold(base) {
		m.relapses = 0
	}
	m.relapses = min(m.relapses+1, maxRelapses)
}

// New gives the state before the first event: no members.
func New(cfg Config) State { return State{cfg: withDefaults(cfg)} }

func withDefaults(cfg Config) Config {
	if cfg.HoldDown == 0 {
		cfg.HoldDown = DefaultHoldDown
	}
	return cfg
}

// Active gives the active member; false if nobody is active. It is eligible, or
// undecided for no longer than Patience.
func (s State) Active() (Member, bool) {
	if m := s.find(s.active); m != nil {
		return m.Member, true
	}
	return Member{}, false
}

// Last gives who was active last, who may be active still; the zero Member
// before the first choice.
func (s State) Last() Member { return s.last }

// Since is when the present active became so, or when nobody was any more.
func (s State) Since() time.Time { return s.since }

// Lost is why nobody is active; report.ReasonNone if somebody is, or nobody
// ever was.
func (s State) Lost() report.Reason { return s.lost }

// Number counts the switches so far.
func (s State) Number() uint64 { return s.number }

// Pinned is the name that the choice is pinned to; "" for none.
func (s State) Pinned() string { return s.pin }

// Drained tells whether the member with this ID is drained.
func (s State) Drained(id int) bool {
	m := s.find(id)
	return m != nil && m.drained
}

// Waiting tells whether an undecided member is being waited for, although another
// could be chosen or because it is the active.
func (s State) Waiting() bool {
	m := s.find(s.active)
	return m != nil && !m.eligible() || m == nil && !s.first.IsZero()
}

// Multiple gives the names of those who claim to serve, if there are several and
// that has been reported; nil otherwise.
func (s State) Multiple() []string {
	if !s.multiple {
		return nil
	}
	var names []string
	for i := range s.members {
		if c := s.members[i].condition; c.Claims && c.Standing >= Suspect {
			names = append(names, s.members[i].Name)
		}
	}
	return names
}

// Status returns who is active, and why, without the counts of reasons.
func (s State) Status() report.FailoverStatus {
	active, _ := s.Active()
	return report.FailoverStatus{
		Active: active.Name, Since: s.since, Lost: s.lost, Last: s.last.Name,
		Switches: s.number, Pinned: s.pin, Multiple: s.Multiple(),
	}
}

// find gives the member with an ID, nil if there is none. What it points to is
// for reading.
func (s State) find(id int) *member {
	if id == 0 {
		return nil
	}
	for i := range s.members {
		if s.members[i].ID == id {
			return &s.members[i]
		}
	}
	return nil
}

// changing gives the state with a copy of its members, for those with a name to
// be changed by change.
func (s State) changing(name string, change func(*member)) State {
	s.members = slices.Clone(s.members)
	for i := range s.members {
		if s.members[i].Name == name {
			change(&s.members[i])
		}
	}
	return s
}
