package jsonapi

import (
	"maps"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// choice is what a pool with the policy ActivePassive needs besides. The pool's mu
// guards it. A nil *choice does nothing.
type choice struct {
	pool    *pool
	state   *selector.Chooser
	active  *endpoint // nil: none
	byID    map[int]*endpoint
	reasons map[report.Reason]uint64
}

func newChoice(p *pool) *choice {
	if p.cfg.policy != ActivePassive {
		return nil
	}
	c := &choice{pool: p, reasons: make(map[report.Reason]uint64), byID: make(map[int]*endpoint)}
	c.state = selector.NewChooser(p.cfg.Failover.Selector(), poolLock{p}, c.chosen)
	return c
}

// poolLock is the pool's mu as the choice's timers take it.
type poolLock struct{ *pool }

func (l poolLock) Lock()   { l.mu.Lock() }
func (l poolLock) Unlock() { l.unlock() }

// membersLocked passes the endpoints to the choice.
func (c *choice) membersLocked() {
	if c == nil {
		return
	}
	c.byID = make(map[int]*endpoint)
	var members []selector.Member
	for _, e := range c.pool.allLocked() {
		c.byID[e.id] = e
		members = append(members, selector.Member{ID: e.id, Name: e.at.Name, Priority: e.priority, Leaving: e.unlisted, Drained: e.drained})
	}
	_ = c.state.Choose(selector.Event{Kind: selector.EventMembers, Members: members}) // is not a command
}

var standings = [...]selector.Standing{
	judge.Unfit: selector.Out, judge.Open: selector.Undecided, judge.Suspect: selector.Suspect, judge.Fit: selector.Fit,
}

func condition(j judge.Judgement) selector.Condition {
	return selector.Condition{Standing: standings[j.Standing], Reason: j.Reason, Claims: j.Memory.Claims}
}

// observeLocked passes a change of an endpoint's condition to the choice.
func (c *choice) observeLocked(e *endpoint, was judge.Judgement) {
	if c == nil || c.byID[e.id] != e {
		return
	}
	before, is := condition(was), condition(e.was)
	if is == before {
		return
	}
	if c.active == e && before.Standing == selector.Fit {
		c.pool.wanted.Ring() // the active endpoint is in doubt: probe all
	}
	_ = c.state.Choose(selector.Event{Kind: selector.EventCondition, ID: e.id, Condition: is}) // is not a command
}

// chosen carries out the effects of an event. Requests see the active endpoint before
// subscribers do.
func (c *choice) chosen(before selector.State, effects selector.Effects) {
	p := c.pool
	if effects.Changed || before.Pinned() != c.state.Pinned() {
		active, _ := c.state.Active()
		c.active = c.byID[active.ID]
		p.publishLocked()
	}
	if sw := effects.Switch; sw.Number != 0 {
		c.reasons[sw.Reason.Bounded()]++
		p.emitLocked(report.Event{Kind: report.EventSwitch, Endpoint: sw.To.Name, Reason: sw.Reason, At: sw.At, Switch: sw.Report()})
		if from := c.byID[sw.From.ID]; from != nil {
			p.moveLocked(from, &cantonlb.MovedError{From: sw.From.Name, To: sw.To.Name, Reason: sw.Reason})
		}
	}
	if effects.Multiple {
		event := report.Event{
			Kind: report.EventMultipleActive, From: report.OneActive, To: report.MultipleActive, At: time.Now(),
			Reason: report.ReasonMultipleActive, Detail: cleantext.Detail(strings.Join(c.state.Multiple(), ", ")),
		}
		if c.state.Multiple() == nil {
			event.From, event.To, event.Reason, event.Detail = event.To, event.From, report.ReasonNone, ""
		}
		p.emitLocked(event)
	}
	if was, is := before.Pinned(), c.state.Pinned(); was != is {
		if was != "" {
			p.emitLocked(report.Event{Kind: report.EventPin, Endpoint: was, From: report.Pinned, To: report.Unpinned, At: time.Now()})
		}
		if is != "" {
			p.emitLocked(report.Event{Kind: report.EventPin, Endpoint: is, From: report.Unpinned, To: report.Pinned, At: time.Now()})
		}
	}
}

// readyLocked returns the active endpoint, if it may be picked, and whether requests wait
// for one although none may.
func (c *choice) readyLocked(undecided bool) ([]*endpoint, bool) {
	switch {
	case c.active != nil && c.active.was.Class == judge.Eligible:
		return []*endpoint{c.active}, undecided
	case c.active != nil:
		return nil, true // it has a moment to come back
	default:
		return nil, undecided || c.state.Waiting()
	}
}

func (c *choice) isActive(e *endpoint) bool { return c != nil && c.active == e }

func (c *choice) pinned() string {
	if c == nil {
		return ""
	}
	return c.state.Pinned()
}

func (c *choice) statusLocked() *report.FailoverStatus {
	if c == nil {
		return nil
	}
	status := c.state.Status()
	status.Reasons = maps.Clone(c.reasons)
	return &status
}

func (c *choice) stopLocked() {
	if c != nil {
		c.state.Stop()
		c.active = nil
	}
}
