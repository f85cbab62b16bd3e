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
	"github.com/cantonlb/cantonlb/internal/publishing"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// publisher makes the snapshots of a set and passes them to grpc, when its pacer says so.
// Only the queue of calls does the latter. The set's lock guards it, and is held when its
// methods are called.
type publisher struct {
	*publishing.Pacer

	set     *Set
	none    time.Time // since when no endpoint is eligible; zero if one is
	uneven  bool      // the weights differ, including those of leaving endpoints
	local   int       // endpoints of the list in the client's zone
	spilled bool      // too few of those are eligible, so calls leave the zone
}

func newPublisher(s *Set) publisher {
	return publisher{set: s, Pacer: publishing.NewPacer(s.scope, func() publishing.Draft { return s.pub.next() })}
}

// next returns the publication of the present snapshot. The switches that it is the first
// to contain are reported afterwards: calls no longer go to the endpoint that was active
// before.
func (p *publisher) next() publishing.Draft {
	s := p.set
	var out publishing.Draft
	if s.counts[judge.Undecided] > 0 {
		out.Growing = len(s.list)
	}
	next, untold := p.draft(), s.choice.takeUntold()
	out.Publish = func() {
		state := next.state(s.room)
		s.room.Publish(state.Picker)
		s.cc.UpdateState(state)
	}
	out.Published = func() {
		for _, e := range untold {
			s.emitLocked(e)
		}
	}
	return out
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
