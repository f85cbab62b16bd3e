package endpointset

import (
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// publisher makes the snapshots of a set and passes them to grpc. Only the queue of
// calls does the latter, so that they arrive in order and one at a time. The set's lock guards
// it, and is held when its methods are called, except now and run.
type publisher struct {
	set *Set

	dirty  bool        // the published snapshot is out of date
	inline bool        // an update is under way, and publishes at its end
	due    bool        // a publication is queued, under way, or waits for the timer
	rested time.Time   // no publication before then, unless something waits for it
	timer  scope.Timer // ends the rest

	none    time.Time // since when no endpoint is eligible; zero if one is
	uneven  bool      // the weights differ, including those of leaving endpoints
	local   int       // endpoints of the list in the client's zone
	spilled bool      // too few of those are eligible, so calls leave the zone
}

// mark has a new snapshot published soon, once for all changes until then.
func (p *publisher) mark() {
	s := p.set
	p.dirty = true
	if p.inline || p.due || s.scope.Closed() {
		return
	}
	p.due = true
	if rest := time.Until(p.rested); rest > 0 {
		p.timer.Arm(s.scope, rest, p.wakeUp)
	} else {
		s.scope.Do(p.run)
	}
}

// wakeUp ends the rest.
func (p *publisher) wakeUp() {
	s := p.set
	p.timer.Stop()
	s.scope.Do(p.run)
}

// After a publication the publisher rests: for many times as long as the publication
// took, and at least restPerHundred for each hundred endpoints while some of them are
// undecided, but at most maxRest. So thousands of endpoints that start up together are
// not copied thousands of times. The rest ends when the last of them is decided. Only
// calls for which no endpoint was eligible wait for the rest to end: an endpoint that
// becomes ineligible is skipped at once.
const (
	restPerWork    = 9
	restPerHundred = 100 * time.Microsecond
	maxRest        = 20 * time.Millisecond
)

// run passes the present snapshot to grpc, if the last one is out of date. It runs in
// the queue of calls.
func (p *publisher) run() {
	s := p.set
	start := time.Now()
	s.scope.Lock()
	defer func() {
		p.due = p.timer.Armed()
		if p.dirty {
			p.mark()
		}
		s.scope.Unlock()
	}()
	if !p.dirty || s.scope.Closed() {
		return
	}
	p.dirty = false
	hundreds := 0
	if s.counts[judge.Undecided] > 0 {
		hundreds = len(s.list) / 100
	}
	next, untold := p.draft(), s.choice.takeUntold()
	p.due = true
	s.scope.Unlock()
	state := next.state(s.room)
	s.room.Publish(state.Picker)
	s.cc.UpdateState(state)
	s.scope.Lock()
	for _, e := range untold { // calls no longer go to the endpoint that was active before
		s.emitLocked(e)
	}
	now := time.Now()
	p.rested = now.Add(min(max(restPerWork*now.Sub(start), restPerHundred*time.Duration(hundreds)), maxRest))
}

// now publishes the present snapshot and waits until grpc has it. It must not be
// called in the queue of calls, where no code of the program runs.
func (p *publisher) now() {
	s := p.set
	done := make(chan struct{})
	if s.scope.Do(func() { p.run(); close(done) }) {
		<-done
	}
}

// draft is what the next snapshot is made from.
type draft struct {
	connectivity connectivity.State
	refusal      *pick.Refusal // nil if there is something to pick
	conns        pick.Row
	weights      []int
	pick.Snapshot
}

// state makes the snapshot. It is called without the set's lock, since it may take
// milliseconds if there are many connections and their weights differ much.
func (d draft) state(room *pick.Room) balancer.State {
	if d.refusal != nil {
		return balancer.State{ConnectivityState: d.connectivity, Picker: d.refusal}
	}
	return balancer.State{ConnectivityState: d.connectivity, Picker: pick.NewPicker(room, d.conns, d.weights, d.Snapshot)}
}

// draft returns the state of the whole set for grpc.
func (p *publisher) draft() draft {
	s := p.set
	if s.eligible.Len() == 0 {
		s.ejections.pardon()
	}
	switch {
	case s.pickableLocked():
		p.noteNone(false)
		return p.eligible()
	case len(s.list) == 0 && s.problem != nil:
		return p.refuse(connectivity.TransientFailure, pick.Refusal{Plain: explain.Plainly(s.problem)})
	case len(s.list) == 0 || s.expectsLocked():
		return p.refuse(connectivity.Connecting, pick.Refusal{Wait: true})
	}
	p.noteNone(true)
	if conns := p.open(); len(conns) > 0 {
		row := pick.RowOf(pickable(conns))
		return draft{
			connectivity: connectivity.Ready, conns: row, weights: p.weights(row),
			Snapshot: pick.Snapshot{Open: true, Least: s.cfg.LeastLoaded},
		}
	}
	return p.refuse(connectivity.TransientFailure, pick.Refusal{Wait: s.cfg.NoneEligible == settings.Wait})
}

func (p *publisher) refuse(state connectivity.State, r pick.Refusal) draft {
	s := p.set
	r.Room = s.room
	return draft{connectivity: state, refusal: &r}
}

// eligible drafts the snapshot of the eligible connections.
func (p *publisher) eligible() draft {
	s := p.set
	d := draft{connectivity: connectivity.Ready}
	if c := s.choice; c != nil {
		d.conns = pick.RowOf(pickable([]*conn{c.active.conn}))
		return d
	}
	d.conns, d.Spare = p.nearby()
	d.weights = p.weights(d.conns)
	d.Least = s.cfg.LeastLoaded
	for e := range s.ejections {
		if e.ejection.Phase == machine.OnTrial && !e.drained && e.was.Serves {
			d.Trials = append(d.Trials, &e.conn.Conn.Conn)
		}
	}
	return d
}

// pickable returns connections as a pick sees them.
func pickable(conns []*conn) []*pick.Conn {
	out := make([]*pick.Conn, len(conns))
	for i, c := range conns {
		out[i] = &c.Conn.Conn
	}
	return out
}

// noteNone notes whether any endpoint is eligible, and emits an event when that
// changes.
func (p *publisher) noteNone(none bool) {
	s := p.set
	switch {
	case none && p.none.IsZero():
		p.none = time.Now()
		s.emitLocked(report.Event{
			Kind: report.EventNoneEligible, From: report.SomeEligible, To: report.NoneEligible, At: p.none,
			Detail: fmt.Sprintf("%v (policy for this: %s)", s.explainLocked(), s.cfg.NoneEligible),
		})
	case !none && !p.none.IsZero():
		now := time.Now()
		s.emitLocked(report.Event{Kind: report.EventNoneEligible, From: report.NoneEligible, To: report.SomeEligible, Held: now.Sub(p.none), At: now})
		p.none = time.Time{}
	}
}

// open returns the connections that are picked although no endpoint is eligible.
func (p *publisher) open() []*conn {
	s := p.set
	if s.cfg.NoneEligible != settings.FailOpen || s.pickableLocked() || s.expectsLocked() {
		return nil
	}
	return p.connected()
}

// connected returns the connections that exist, whatever their health, without those
// of drained endpoints. If the set picks one endpoint at a time, it returns one
// connection.
func (p *publisher) connected() []*conn {
	s := p.set
	var conns []*conn
	for _, e := range s.list {
		if e.link.Phase() == machine.Ready && !e.drained && e.identifiedLocked() {
			conns = append(conns, e.conn)
		}
	}
	if s.choice != nil {
		return s.choice.likeliest(conns)
	}
	return conns
}
