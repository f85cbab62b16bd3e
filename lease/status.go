package lease

import (
	"slices"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// State is the state of a candidate.
type State = report.LeaseState

// The states of a candidate.
const (
	// StateIdle: Run has not been called.
	StateIdle = report.LeaseIdle
	// StateCandidate: it watches the lease, and acquires it when it can.
	StateCandidate = report.LeaseCandidate
	// StateHolder: it holds the lease, and its work runs.
	StateHolder = report.LeaseHolder
	// StateEnding: the context of its work has ended, or the work has returned, and the
	// lease was lost or is being released.
	StateEnding = report.LeaseEnding
	// StateClosed: Run has returned.
	StateClosed = report.LeaseClosed
)

// Status is a snapshot of a candidate.
type Status = report.LeaseStatus

// Status returns what the candidate knows. It does not wait.
func (c *Candidate) Status() Status {
	s := *c.status.Load()
	if t := c.term.Load(); t != nil {
		if left := t.left(); left > 0 {
			s.Held, s.Until = true, time.Now().Add(left)
		}
	}
	return s
}

// Leases returns the status of the candidate's one lease, as packages statuspage and
// otelmetrics read it.
func (c *Candidate) Leases() []Status { return []Status{c.Status()} }

// Leases returns what the process knows of each lease of the group, in the order of
// Names. It does not wait.
func (g *Group) Leases() []Status {
	list := make([]Status, 0, len(g.candidates))
	for _, c := range g.candidates {
		list = append(list, c.Status())
	}
	return list
}

var states = map[machine.Phase]State{
	machine.Following: StateCandidate,
	machine.Acquiring: StateCandidate,
	machine.Holding:   StateHolder,
	machine.Draining:  StateEnding,
	machine.Lost:      StateEnding,
	machine.Releasing: StateEnding,
	machine.Done:      StateClosed,
}

// publish updates the status. Only loop calls it.
func (r *run) publish() {
	s := *r.status.Load()
	if now := states[r.state.Phase()]; now != s.State {
		s.State, s.Since = now, time.Now()
	}
	record := r.state.Seen()
	if _, held := r.state.Until(); held {
		record = r.state.Own()
	}
	s.Holder, s.Token = record.Holder, record.Token
	s.Stuck = r.stuck
	s.StoreFailing, s.StoreError = r.state.Failing(), r.detail
	r.status.Store(&s)
}

// news appends the event for news of the state machine.
func (r *run) news(n machine.News) {
	e := Event{Kind: kinds[n.Kind], Holder: n.Record.Holder, Token: n.Record.Token, Reason: reasons[n.Why]}
	switch n.Kind {
	case machine.NewsFailing, machine.NewsNotReleased:
		e.Reason, e.Detail = report.ReasonLeaseStoreError, r.detail
	case machine.NewsStuck:
		r.stuck = true
	default:
	}
	e = r.append(e)
	if n.Kind == machine.NewsStuck && r.cfg.ExitWhenStuck && r.state.Phase() == machine.Lost {
		r.exitStuck(e)
	}
}

func (r *run) append(e Event) Event {
	r.number++
	e.Number, e.At, e.Name = r.number, time.Now(), r.cfg.Name
	r.events.Append(e)
	s := *r.status.Load()
	s.Counts = counted(s.Counts, e)
	r.status.Store(&s)
	return e
}

// counted returns counts with an event more. Snapshots have the counts before.
func counted(counts []report.LeaseEventCount, e Event) []report.LeaseEventCount {
	counts = slices.Clone(counts)
	for i := range counts {
		if c := &counts[i]; c.Kind == e.Kind && c.Reason == e.Reason {
			c.Count++
			return counts
		}
	}
	return append(counts, report.LeaseEventCount{Kind: e.Kind, Reason: e.Reason, Count: 1})
}

// exitStuck ends the process before another candidate can acquire the lease. It logs
// that first, unless the logger blocks.
func (r *run) exitStuck(e Event) {
	exit := sync.OnceFunc(func() { r.exit(ExitCodeStuck) })
	time.AfterFunc(r.params.Margin/4, exit)
	go func() {
		logEvent(r.cfg.Logger, e)
		exit()
	}()
}

// detail is an error for people, bounded.
func detail(err error) string { return cleantext.Detail(err.Error()) }
