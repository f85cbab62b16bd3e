package endpointset

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// choice is what a set has besides of which one endpoint at a time is picked.
// Set.mu guards it.
type choice struct {
	state  *selector.Chooser
	active *endpoint         // nil: nobody
	last   *endpoint         // who was active last, even if it has left the list
	byID   map[int]*endpoint // the list and those that leave it
	lastID int
	// untold are switches that grpc has no snapshot of yet.
	untold  []report.Event
	reasons map[report.Reason]uint64 // switches so far, by a reason of report.Reasons
	search  search
	moving  moving
}

// NewActivePassive makes the set of a policy that picks one endpoint at a time.
func NewActivePassive(policy string, cc balancer.ClientConn, opts balancer.BuildOptions) *Set {
	s := New(policy, cc, opts)
	s.cfg = settings.DefaultActivePassive()
	s.choice = &choice{search: newSearch(), moving: make(moving), reasons: make(map[report.Reason]uint64)}
	s.choice.state = selector.NewChooser(s.cfg.Failover.Selector(), setLock{s}, s.chosenLocked)
	return s
}

// pickableLocked tells whether a call would find somebody.
func (s *Set) pickableLocked() bool {
	if s.choice == nil {
		return s.eligible.Len() > 0
	}
	return s.choice.active != nil && s.choice.active.was.Class == judge.Eligible
}

// expectsLocked tells, while nobody is pickable, whether that may yet change
// without anything getting better: somebody is on their way.
func (s *Set) expectsLocked() bool {
	if s.choice == nil {
		return s.counts[judge.Undecided] > 0
	}
	if pinned := s.byName[s.choice.state.Pinned()]; pinned != nil {
		return pinned.was.Class == judge.Undecided
	}
	return s.choice.state.Waiting() || s.counts[judge.Undecided] > 0
}

// admitLocked opens the endpoint's connection to picks, or closes it to them.
func (e *endpoint) admitLocked() {
	if e.conn == nil {
		return
	}
	c := e.set.choice
	e.conn.SetEligible(e.was.Class == judge.Eligible && (c == nil || c.active == e))
	if doubted := c != nil && c.active == e && e.was.Standing == judge.Suspect; e.conn.SetDoubted(doubted) != doubted {
		e.set.dirtyLocked() // whoever waits for that picks again
	}
}

// membersLocked tells the choice whom there is to choose from.
func (s *Set) membersLocked() {
	c := s.choice
	if c == nil {
		return
	}
	c.byID = make(map[int]*endpoint, len(s.list)+len(s.leaving))
	members := make([]selector.Member, 0, len(s.list)+len(s.leaving))
	for _, list := range [][]*endpoint{s.list, s.leaving} {
		for _, e := range list {
			if e.id == 0 {
				c.lastID++
				e.id = c.lastID
			}
			c.byID[e.id] = e
			members = append(members, selector.Member{ID: e.id, Name: e.name, Priority: e.priority, Leaving: e.unlisted, Drained: e.drained})
		}
	}
	_ = s.chooseLocked(selector.Event{Kind: selector.EventMembers, Members: members}) // is no command
}

// observeLocked tells the choice what has become of an endpoint, if that is news.
func (e *endpoint) observeLocked(was judge.Judgement) {
	c, before, is := e.set.choice, condition(was), condition(e.was)
	if c == nil || c.byID[e.id] != e || is == before {
		return
	}
	if c.active == e && before.Standing == selector.Fit {
		c.search.wanted.Ring() // in doubt about the active, ask everybody
	}
	_ = e.set.chooseLocked(selector.Event{Kind: selector.EventCondition, ID: e.id, Condition: is}) // is no command
}

// chooseLocked lets something happen to the choice. The error is nil unless a
// command was refused, which then has changed nothing.
func (s *Set) chooseLocked(event selector.Event) error { return s.choice.state.Choose(event) }

// setLock is Set.mu as its timers take it.
type setLock struct{ *Set }

func (l setLock) Lock()   { l.mu.Lock() }
func (l setLock) Unlock() { l.unlock() }

// chosenLocked does what follows from an event of the choice.
func (s *Set) chosenLocked(before selector.State, effects selector.Effects) {
	c := s.choice
	if sw := effects.Switch; sw.Number != 0 {
		s.switchLocked(sw)
	}
	if effects.Changed {
		active, _ := c.state.Active()
		s.activeLocked(c.byID[active.ID])
	}
	if effects.Multiple {
		s.multipleLocked()
	}
	if is := c.state.Pinned(); before.Pinned() != is {
		s.pinnedLocked(before.Pinned(), is)
	}
	s.seekLocked()
}

// activeLocked makes an endpoint the active, or nobody. The one before is closed
// to picks first, so that there are never two.
func (s *Set) activeLocked(e *endpoint) {
	c := s.choice
	was := c.active
	c.active = e
	if was != nil {
		was.admitLocked()
	}
	s.changedLocked()
	if e == nil {
		return
	}
	c.last = e
	e.admitLocked()
	for _, list := range [][]*endpoint{s.list, s.leaving} {
		for _, other := range list {
			if other != e {
				other.rescueLocked()
			}
		}
	}
}

// switchLocked notes a switch, which is told once grpc has a snapshot of it, and
// gives the streams on the endpoint that was active their time.
func (s *Set) switchLocked(sw selector.Switch) {
	s.choice.reasons[sw.Reason.Bounded()]++
	s.choice.untold = append(s.choice.untold, report.Event{
		Kind: report.EventSwitch, Endpoint: sw.To.Name, Reason: sw.Reason, At: sw.At, Switch: sw.Report(),
	})
	s.moveStreamsLocked(sw)
}

// multipleLocked makes an event of it that several endpoints say that they serve,
// or that they have ceased to.
func (s *Set) multipleLocked() {
	event := report.Event{
		Kind: report.EventMultipleActive, From: report.OneActive, To: report.MultipleActive, At: time.Now(),
		Reason: report.ReasonMultipleActive, Detail: cleantext.Detail(strings.Join(s.choice.state.Multiple(), ", ")),
	}
	if s.choice.state.Multiple() == nil {
		event.From, event.To = event.To, event.From
		event.Reason, event.Detail = report.ReasonNone, ""
	}
	s.emitLocked(event)
}

// pinnedLocked makes events of a change of the pin, with which calls may find that
// they wait for others than before.
func (s *Set) pinnedLocked(was, is string) {
	s.dirtyLocked()
	if was != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: was, From: report.Pinned, To: report.Unpinned, At: time.Now()})
	}
	if is != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: is, From: report.Unpinned, To: report.Pinned, At: time.Now()})
	}
}

// stopChoosingLocked ends what happens by itself. Set.Close waits for the rest.
func (s *Set) stopChoosingLocked() {
	if c := s.choice; c != nil {
		c.state.Stop()
		c.moving.stop()
		c.active = nil
	}
}

// reconfigureLocked tells the choice of a new configuration.
func (s *Set) reconfigureLocked() {
	if s.choice == nil {
		return
	}
	if s.cfg.Failover == nil { // of a parent policy that knows no better
		s.cfg.Failover = settings.DefaultActivePassive().Failover
	}
	_ = s.chooseLocked(selector.Event{Kind: selector.EventConfig, Config: s.cfg.Failover.Selector()}) // is no command
}

// untoldLocked gives the switches that the snapshot being made is the first to
// know of.
func (s *Set) untoldLocked() []report.Event {
	if s.choice == nil {
		return nil
	}
	untold := s.choice.untold
	s.choice.untold = nil
	return untold
}

// likeliest gives of several connections the one to pick although nobody is
// eligible: of the pinned, of who was active last, or else of the most preferred.
func (c *choice) likeliest(conns []*conn) []*conn {
	if pin := c.state.Pinned(); pin != "" {
		return slices.DeleteFunc(conns, func(k *conn) bool { return k.endpoint.name != pin })
	}
	if len(conns) == 0 {
		return nil
	}
	return []*conn{slices.MinFunc(conns, func(a, b *conn) int {
		switch c.last {
		case a.endpoint:
			return -1
		case b.endpoint:
			return 1
		default:
			return a.endpoint.priority - b.endpoint.priority
		}
	})}
}
