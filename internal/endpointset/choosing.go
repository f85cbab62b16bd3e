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
	set    *Set
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
	s.choice = &choice{set: s, search: newSearch(), moving: make(moving), reasons: make(map[report.Reason]uint64)}
	s.choice.state = selector.NewChooser(s.cfg.Failover.Selector(), setLock{s}, s.choice.chosen)
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
		e.set.pub.mark() // whoever waits for that picks again
	}
}

// members tells the choice whom there is to choose from.
func (c *choice) members() {
	if c == nil {
		return
	}
	s := c.set
	c.byID = make(map[int]*endpoint, len(s.list)+len(s.handover.old))
	members := make([]selector.Member, 0, len(s.list)+len(s.handover.old))
	for _, list := range [][]*endpoint{s.list, s.handover.old} {
		for _, e := range list {
			if e.id == 0 {
				c.lastID++
				e.id = c.lastID
			}
			c.byID[e.id] = e
			members = append(members, selector.Member{ID: e.id, Name: e.name, Priority: e.priority, Leaving: e.unlisted, Drained: e.drained})
		}
	}
	_ = c.choose(selector.Event{Kind: selector.EventMembers, Members: members}) // is no command
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
	_ = e.set.choice.choose(selector.Event{Kind: selector.EventCondition, ID: e.id, Condition: is}) // is no command
}

// choose lets something happen to the choice. The error is nil unless a
// command was refused, which then has changed nothing.
func (c *choice) choose(event selector.Event) error { return c.state.Choose(event) }

// setLock is Set.mu as its timers take it.
type setLock struct{ *Set }

func (l setLock) Lock()   { l.mu.Lock() }
func (l setLock) Unlock() { l.unlock() }

// chosen does what follows from an event of the choice.
func (c *choice) chosen(before selector.State, effects selector.Effects) {
	if sw := effects.Switch; sw.Number != 0 {
		c.switched(sw)
	}
	if effects.Changed {
		active, _ := c.state.Active()
		c.setActive(c.byID[active.ID])
	}
	if effects.Multiple {
		c.multiple()
	}
	if is := c.state.Pinned(); before.Pinned() != is {
		c.pinned(before.Pinned(), is)
	}
	c.seek()
}

// setActive makes an endpoint the active, or nobody. The one before is closed
// to picks first, so that there are never two.
func (c *choice) setActive(e *endpoint) {
	s := c.set
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
	for _, list := range [][]*endpoint{s.list, s.handover.old} {
		for _, other := range list {
			if other != e {
				other.rescueLocked()
			}
		}
	}
}

// switched notes a switch, which is told once grpc has a snapshot of it, and
// gives the streams on the endpoint that was active their time.
func (c *choice) switched(sw selector.Switch) {
	c.reasons[sw.Reason.Bounded()]++
	c.untold = append(c.untold, report.Event{
		Kind: report.EventSwitch, Endpoint: sw.To.Name, Reason: sw.Reason, At: sw.At, Switch: sw.Report(),
	})
	c.moveStreams(sw)
}

// multiple makes an event of it that several endpoints say that they serve,
// or that they have ceased to.
func (c *choice) multiple() {
	s := c.set
	event := report.Event{
		Kind: report.EventMultipleActive, From: report.OneActive, To: report.MultipleActive, At: time.Now(),
		Reason: report.ReasonMultipleActive, Detail: cleantext.Detail(strings.Join(c.state.Multiple(), ", ")),
	}
	if c.state.Multiple() == nil {
		event.From, event.To = event.To, event.From
		event.Reason, event.Detail = report.ReasonNone, ""
	}
	s.emitLocked(event)
}

// pinned makes events of a change of the pin, with which calls may find that
// they wait for others than before.
func (c *choice) pinned(was, is string) {
	s := c.set
	s.pub.mark()
	if was != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: was, From: report.Pinned, To: report.Unpinned, At: time.Now()})
	}
	if is != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: is, From: report.Unpinned, To: report.Pinned, At: time.Now()})
	}
}

// stop ends what happens by itself. Set.Close waits for the rest.
func (c *choice) stop() {
	if c != nil {
		c.state.Stop()
		c.moving.stop()
		c.active = nil
	}
}

// reconfigure tells the choice of a new configuration.
func (c *choice) reconfigure() {
	if c == nil {
		return
	}
	s := c.set
	if s.cfg.Failover == nil { // of a parent policy that knows no better
		s.cfg.Failover = settings.DefaultActivePassive().Failover
	}
	_ = c.choose(selector.Event{Kind: selector.EventConfig, Config: s.cfg.Failover.Selector()}) // is no command
}

// takeUntold gives the switches that the snapshot being made is the first to
// know of.
func (c *choice) takeUntold() []report.Event {
	if c == nil {
		return nil
	}
	untold := c.untold
	c.untold = nil
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
