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

// choice is what a set needs besides if it picks one endpoint at a time. The set's lock guards
// it.
type choice struct {
	set    *Set
	state  *selector.Chooser
	active *endpoint         // the active endpoint; nil: none
	last   *endpoint         // the last active endpoint, even if it has left the list
	byID   map[int]*endpoint // the endpoints of the list and those that leave it
	lastID int
	// untold are the switches that are not in a snapshot that grpc has.
	untold  []report.Event
	reasons map[report.Reason]uint64 // number of switches so far, by a reason of report.Reasons
	search  search
}

// NewActivePassive returns the set of a policy that picks one endpoint at a time.
func NewActivePassive(policy string, cc balancer.ClientConn, opts balancer.BuildOptions) *Set {
	s := New(policy, cc, opts)
	s.cfg = settings.DefaultActivePassive()
	s.choice = &choice{set: s, search: search{wanted: selector.NewBell()}, reasons: make(map[report.Reason]uint64)}
	s.choice.state = selector.NewChooser(s.cfg.Failover.Selector(), s.scope, s.choice.chosen)
	return s
}

// pickableLocked reports whether a call would find an endpoint.
func (s *Set) pickableLocked() bool {
	if s.choice == nil {
		return s.eligible.Len() > 0
	}
	return s.choice.active != nil && s.choice.active.was.Class == judge.Eligible
}

// expectsLocked reports whether, while no endpoint is pickable, that may change
// without a recovery: an endpoint is undecided.
func (s *Set) expectsLocked() bool {
	if s.choice == nil {
		return s.counts[judge.Undecided] > 0
	}
	if pinned := s.byName[s.choice.state.Pinned()]; pinned != nil {
		return pinned.was.Class == judge.Undecided
	}
	return s.choice.state.Waiting() || s.counts[judge.Undecided] > 0
}

// admitLocked makes the endpoint's connection eligible for picks, or ineligible.
func (e *endpoint) admitLocked() {
	if e.conn == nil {
		return
	}
	c := e.set.choice
	e.conn.SetEligible(e.was.Class == judge.Eligible && (c == nil || c.active == e))
	if doubted := c != nil && c.active == e && e.was.Standing == judge.Suspect; e.conn.SetDoubted(doubted) != doubted {
		e.set.pub.Mark() // calls that wait for this pick again
	}
}

// members passes the endpoints to choose from to the choice.
func (c *choice) members() {
	if c == nil {
		return
	}
	s := c.set
	c.byID = make(map[int]*endpoint, len(s.list)+len(s.handover.old))
	members := make([]selector.Member, 0, len(s.list)+len(s.handover.old))
	for e := range s.all() {
		if e.id == 0 {
			c.lastID++
			e.id = c.lastID
		}
		c.byID[e.id] = e
		members = append(members, selector.Member{ID: e.id, Name: e.name, Priority: e.priority, Leaving: e.unlisted, Drained: e.drained})
	}
	_ = c.choose(selector.Event{Kind: selector.EventMembers, Members: members}) // is not a command
}

// observeLocked passes a change of an endpoint's condition to the choice.
func (e *endpoint) observeLocked(was judge.Judgement) {
	c, before, is := e.set.choice, selector.ConditionOf(was), selector.ConditionOf(e.was)
	if c == nil || c.byID[e.id] != e || is == before {
		return
	}
	if c.active == e && before.Standing == selector.Fit {
		c.search.wanted.Ring() // the active endpoint is in doubt: probe all
	}
	_ = e.set.choice.choose(selector.Event{Kind: selector.EventCondition, ID: e.id, Condition: is}) // is not a command
}

// choose applies an event to the choice. The error is nil unless a command was
// refused; a refused command changes nothing.
func (c *choice) choose(event selector.Event) error { return c.state.Choose(event) }

// normalLocked reports whether the endpoint's state is normal for a standby: it
// reports that it does not serve or, where that is so, refuses connections.
func (e *endpoint) normalLocked() bool {
	if e.set.choice == nil || e.was.Class == judge.Eligible {
		return false
	}
	switch e.was.State {
	case report.StateUnhealthy:
		return e.was.Reason == report.ReasonNotServing || e.was.Reason == report.ReasonPassiveReplica
	case report.StateUnreachable:
		return e.set.options.StandbyRefuses && e.link.Refused() && e.was.Reason == e.link.Why().Reason
	default:
		return false
	}
}

// isLast reports whether the endpoint is, or was last, the active one. A renewed
// endpoint has the id of the one before.
func (c *choice) isLast(e *endpoint) bool { return c.last != nil && c.last.id == e.id }

// chosen carries out the effects of an event of the choice.
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

// setActive makes an endpoint the active one, or none. The endpoint before is first
// made ineligible, so that there are never two.
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
	for other := range s.all() {
		if other != e {
			other.rescueLocked()
		}
	}
}

// switched notes a switch, which is reported once grpc has a snapshot with it, and
// starts the time that streams on the endpoint that was active have left.
func (c *choice) switched(sw selector.Switch) {
	c.reasons[sw.Reason.Bounded()]++
	c.untold = append(c.untold, report.Event{
		Kind: report.EventSwitch, Endpoint: sw.To.Name, Reason: sw.Reason, At: sw.At, Switch: sw.Report(),
	})
	c.moveStreams(sw)
}

// multiple emits an event when several endpoints start or stop saying that they serve.
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

// pinned emits events for a change of the pin. With another pin, calls that wait may
// wait for another endpoint.
func (c *choice) pinned(was, is string) {
	s := c.set
	s.pub.Mark()
	if was != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: was, From: report.Pinned, To: report.Unpinned, At: time.Now()})
	}
	if is != "" {
		s.emitLocked(report.Event{Kind: report.EventPin, Endpoint: is, From: report.Unpinned, To: report.Pinned, At: time.Now()})
	}
}

// stop stops the timers and the search. Set.Close waits for the rest.
func (c *choice) stop() {
	if c != nil {
		c.state.Stop()
		c.active = nil
	}
}

// reconfigure passes a new configuration to the choice.
func (c *choice) reconfigure() {
	if c == nil {
		return
	}
	s := c.set
	if s.cfg.Failover == nil { // a parent policy has left it out
		s.cfg.Failover = settings.DefaultActivePassive().Failover
	}
	_ = c.choose(selector.Event{Kind: selector.EventConfig, Config: s.cfg.Failover.Selector()}) // is not a command
}

// takeUntold returns the switches that the snapshot being made is the first to
// contain.
func (c *choice) takeUntold() []report.Event {
	if c == nil {
		return nil
	}
	untold := c.untold
	c.untold = nil
	return untold
}

// likeliest returns the connection to pick although no endpoint is eligible: that of
// the pinned endpoint, of the last active one, or otherwise of the most preferred one.
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
