package selector

import (
	"iter"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Next is the state machine: a pure function of the previous state and an event.
// Its time is proportional to the number of members. The rules are in the package's
// documentation. The parts are:
//
//	take      applies a change of members or conditions, or checks a command
//	decide    decides whether the active member stays, and which one follows
//	failBack  finds a preferred member whose hold-down is over
func (s State) Next(e Event) (State, Effects) {
	next, order, refused := s.take(e)
	if refused != nil {
		return s, Effects{Refused: refused, Wake: s.wake(e.At)}
	}
	next, sw := next.decide(e.At, order)
	next.multiple = next.several()
	return next, Effects{
		Changed:  next.active != s.active,
		Switch:   sw,
		Multiple: next.multiple != s.multiple,
		Wake:     next.wake(e.At),
	}
}

// order is the member that a command makes active; zero if there is none.
type order struct {
	to     int
	reason report.Reason
}

// take applies an event, except for the choice of the active member.
func (s State) take(e Event) (State, order, *RefusedError) {
	switch e.Kind {
	case EventMembers:
		return s.withMembers(e.Members, e.At), order{}, nil
	case EventCondition:
		s.members = slices.Clone(s.members)
		if m := s.find(e.ID); m != nil { // in the copy
			m.become(e.Condition, e.At, s.cfg.HoldDown)
		}
		return s, order{}, nil
	case EventConfig:
		s.cfg = withDefaults(e.Config)
		return s, order{}, nil
	case EventSwitch, EventPin, EventUnpin, EventDrain, EventUndrain:
		return s.command(e)
	default: // EventTime
		return s, order{}, nil
	}
}

// withMembers replaces the members. A pin ends when its name leaves the list.
func (s State) withMembers(list []Member, at time.Time) State {
	next := make([]member, 0, len(list))
	pinned := false
	for _, x := range list {
		m := member{condition: Condition{Standing: Undecided}, drained: x.Drained, turned: at}
		if old := s.find(x.ID); old != nil {
			m = *old
		}
		x.Drained = false // only commands change it from now on
		m.Member = x
		next = append(next, m)
		pinned = pinned || x.Name == s.pin && !x.Leaving
		if x.ID == s.last.ID {
			s.last = x
		}
	}
	s.members = next
	if !pinned {
		s.pin = ""
	}
	return s
}

// decide determines which member is active now. The switch is zero if there was
// none.
func (s State) decide(at time.Time, by order) (State, Switch) {
	if by.to != 0 {
		return s.choose(by.to, by.reason, at)
	}
	if m := s.find(s.active); m != nil && s.stays(m, at) {
		if better := s.failBack(at); better != nil {
			return s.choose(better.ID, report.ReasonFailBack, at)
		}
		return s, Switch{}
	}
	if s.active != 0 {
		s.lost = s.lossOf(s.active)
	}
	best := s.best(at)
	if best == nil || s.awaitsBetter(best, at) {
		if s.active != 0 {
			s.active, s.since = 0, at
		}
		if best == nil {
			s.first = time.Time{}
		} else if s.first.IsZero() {
			s.first = at
		}
		return s, Switch{}
	}
	return s.choose(best.ID, s.lost, at)
}

// stays reports whether the active member stays active.
func (s State) stays(m *member, at time.Time) bool {
	switch {
	case m.drained || !s.allows(m):
		return false
	case m.eligible():
		return true
	default:
		return m.condition.Standing == Undecided && at.Before(m.turned.Add(Patience))
	}
}

// lossOf returns why a member is no longer active.
func (s State) lossOf(id int) report.Reason {
	switch m := s.find(id); {
	case m == nil:
		return report.ReasonLeftList
	case m.drained:
		return report.ReasonDrained
	default:
		return m.condition.Reason
	}
}

// choose makes a member active.
func (s State) choose(id int, why report.Reason, at time.Time) (State, Switch) {
	to, from := s.find(id).Member, s.last
	s.first, s.lost = time.Time{}, report.ReasonNone
	if s.active == id {
		return s, Switch{}
	}
	s.active, s.last, s.since = id, to, at
	if from.ID == id {
		return s, Switch{}
	}
	if from.ID == 0 && why == report.ReasonNone {
		why = report.ReasonFirstChoice
	}
	s.number++
	s.switched = at
	return s, Switch{Number: s.number, From: from, To: to, Reason: why, At: at}
}

// allows reports whether the pin allows a member to be active.
func (s State) allows(m *member) bool { return s.pin == "" || s.pin == m.Name }

// best returns the member to choose, nil if there is none.
func (s State) best(at time.Time) *member {
	var best *member
	for i := range s.members {
		m := &s.members[i]
		if m.eligible() && s.allows(m) && (best == nil || s.before(m, best, at)) {
			best = m
		}
	}
	return best
}

// before reports whether a is preferred to b, which comes before it in the list.
func (s State) before(a, b *member, at time.Time) bool {
	for _, differs := range [...]struct{ a, b bool }{
		{a.Leaving, b.Leaving},
		{a.condition.Standing == Suspect, b.condition.Standing == Suspect},
		{a.onProbation(at, s.cfg.HoldDown), b.onProbation(at, s.cfg.HoldDown)},
		{a.Name != s.last.Name, b.Name != s.last.Name},
	} {
		if differs.a != differs.b {
			return differs.b
		}
	}
	return a.Priority < b.Priority
}

// awaitsBetter reports whether the first choice waits for an undecided member that
// is preferred to best.
func (s State) awaitsBetter(best *member, at time.Time) bool {
	if s.last.ID != 0 || !s.first.IsZero() && !at.Before(s.first.Add(Patience)) {
		return false
	}
	for m := range s.preferred(best) {
		if m.condition.Standing == Undecided && !m.drained && s.allows(m) {
			return true
		}
	}
	return false
}

// preferred returns the members of the list that are preferred to m, by priority
// and then by their order.
func (s State) preferred(m *member) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		earlier := true
		for i := range s.members {
			x := &s.members[i]
			if x.ID == m.ID {
				earlier = false
				continue
			}
			ranks := x.Priority < m.Priority || x.Priority == m.Priority && earlier
			if ranks && !x.Leaving && !yield(x) {
				return
			}
		}
	}
}

// failBack returns the member that replaces the active one, nil if there is none.
func (s State) failBack(at time.Time) *member {
	var best *member
	for _, c := range s.candidates() {
		if c.condition.Standing == Fit && !at.Before(c.due) && (best == nil || c.Priority < best.Priority) {
			best = c.member
		}
	}
	return best
}

// candidate is a member to which the active may fail back from a time on.
type candidate struct {
	*member

	due time.Time
}

func (s State) candidates() []candidate {
	active := s.find(s.active)
	if s.cfg.FailBack != FailBackAfterHold || s.pin != "" || active == nil {
		return nil
	}
	var list []candidate
	for m := range s.preferred(active) {
		if !m.eligible() {
			continue
		}
		from := m.since
		if s.switched.After(from) {
			from = s.switched
		}
		list = append(list, candidate{m, from.Add(m.hold(s.cfg.HoldDown))})
	}
	return list
}

// wake returns the next time at which the state changes without an event.
func (s State) wake(at time.Time) time.Time {
	var wake time.Time
	consider := func(t time.Time) {
		if t.After(at) && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	active := s.find(s.active)
	switch {
	case active != nil && active.condition.Standing == Undecided:
		consider(active.turned.Add(Patience))
	case active == nil && !s.first.IsZero():
		consider(s.first.Add(Patience))
	}
	for _, c := range s.candidates() {
		consider(c.due)
	}
	return wake
}

// several reports whether more than one member claims to serve. It becomes true
// when two members that are fit do, and false when at most one still does.
func (s State) several() bool {
	claims, certain := 0, 0
	for i := range s.members {
		c := s.members[i].condition
		if c.Claims && c.Standing >= Suspect {
			claims++
		}
		if c.Claims && c.Standing == Fit {
			certain++
		}
	}
	return certain > 1 || s.multiple && claims > 1
}
