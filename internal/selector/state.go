package selector

import (
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// State is the complete state of the choice. It is a value that New returns and
// only Next changes.
type State struct {
	cfg     Config
	members []member // never changed in place
	active  int      // 0 while no member is active
	last    Member   // the member that was active last; zero before the first choice
	lost    report.Reason
	// since is when active last changed, and switched is the time of the last
	// switch.
	since, switched time.Time
	number          uint64
	pin             string
	multiple        bool
	// first is when, before the first choice, a member could first be chosen; zero
	// if none can.
	first time.Time
}

// member is one member and its state.
type member struct {
	Member

	condition Condition
	drained   bool
	// since is when the member became eligible: the time of its recovery. turned is
	// when it became undecided.
	since, turned time.Time
	// served says that the member has been eligible and has not relapsed since.
	served bool
	// relapses counts relapses in close succession.
	relapses int
}

// maxRelapses is where the hold-down stops growing: at 16 times its base.
const maxRelapses = 5

func (m *member) eligible() bool { return m.condition.Standing >= Suspect && !m.drained }

// hold returns the member's hold-down.
func (m *member) hold(base time.Duration) time.Duration {
	return base << (min(max(m.relapses, 1), maxRelapses) - 1)
}

// onProbation reports whether the member has relapsed and has not been eligible for
// its hold-down since.
func (m *member) onProbation(at time.Time, base time.Duration) bool {
	return m.relapses > 0 && at.Before(m.since.Add(m.hold(base)))
}

// become applies a condition. A member that is undecided for less than Patience, as
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

// relapse counts a relapse, which began when the member turned. Relapses of a
// drained member do not count, since it was drained for maintenance.
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

// New returns the state before the first event, without members.
func New(cfg Config) State { return State{cfg: withDefaults(cfg)} }

func withDefaults(cfg Config) Config {
	if cfg.HoldDown == 0 {
		cfg.HoldDown = DefaultHoldDown
	}
	return cfg
}

// Active returns the active member, or false if no member is active. The active
// member is eligible, or has been undecided for at most Patience.
func (s State) Active() (Member, bool) {
	if m := s.find(s.active); m != nil {
		return m.Member, true
	}
	return Member{}, false
}

// Last returns the member that was active last, which may still be active, or the
// zero Member before the first choice.
func (s State) Last() Member { return s.last }

// Since returns when the present active member became active, or since when no
// member is active.
func (s State) Since() time.Time { return s.since }

// Lost returns why no member is active. It is report.ReasonNone if one is active,
// or if none ever was.
func (s State) Lost() report.Reason { return s.lost }

// Number returns the number of switches so far.
func (s State) Number() uint64 { return s.number }

// Pinned returns the name that the choice is pinned to, or "".
func (s State) Pinned() string { return s.pin }

// Drained reports whether the member with this ID is drained.
func (s State) Drained(id int) bool {
	m := s.find(id)
	return m != nil && m.drained
}

// Waiting reports whether the choice waits for an undecided member, either because
// it is the active one or although another one could be chosen.
func (s State) Waiting() bool {
	m := s.find(s.active)
	return m != nil && !m.eligible() || m == nil && !s.first.IsZero()
}

// Multiple returns the names of the members that claim to serve, if there are
// several and that has been reported, or nil.
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

// Status returns which member is active, and why, without the counts of reasons.
func (s State) Status() report.FailoverStatus {
	active, _ := s.Active()
	return report.FailoverStatus{
		Active: active.Name, Since: s.since, Lost: s.lost, Last: s.last.Name,
		Switches: s.number, Pinned: s.pin, Multiple: s.Multiple(),
	}
}

// ended returns the state after its owner was closed: no member is active, and all
// counts stay.
func (s State) ended(at time.Time) State {
	if s.active != 0 {
		s.active, s.since = 0, at
	}
	s.first, s.multiple = time.Time{}, false
	return s
}

// find returns the member with an ID, nil if there is none. It must not be
// modified.
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

// changing returns the state with a copy of its members, in which change was
// applied to the member of the list with the name.
func (s State) changing(name string, change func(*member)) State {
	s.members = slices.Clone(s.members)
	for i := range s.members {
		if m := s.members[i]; m.Name == name && !m.Leaving {
			change(&s.members[i])
		}
	}
	return s
}
