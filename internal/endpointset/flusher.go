package endpointset

import (
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// publishing is when snapshots are published. Only the queue of calls does it, so that
// they arrive in order, and grpc is never called from two goroutines at once.
type publishing struct {
	dirty  bool        // the published snapshot is out of date
	inline bool        // an update is under way, and publishes at its end
	due    bool        // a publication is queued, under way, or waits for the timer
	rested time.Time   // not before then, unless something waits for it
	timer  *time.Timer // ends the rest; nil if there is none
}

// dirtyLocked has a new snapshot published, soon and once for all changes until
// then.
func (s *Set) dirtyLocked() {
	s.dirty = true
	if s.inline || s.due || s.closed {
		return
	}
	s.due = true
	if rest := time.Until(s.rested); rest > 0 {
		s.armLocked(&s.timer, rest, s.restedLocked)
	} else {
		s.calls.Do(s.publication)
	}
}

// restedLocked ends the rest.
func (s *Set) restedLocked() {
	s.timer.Stop()
	s.timer = nil
	s.calls.Do(s.publication)
}

// After a publication there is a rest: many times as long as that has taken,
// and at least restPerHundred for each hundred endpoints while some of them are
// on their way, but at most maxRest. So when thousands of endpoints start up
// together, they are not copied thousands of times. It ends when the
// last of them is decided. Nothing waits for it but calls that nobody could take
// before: an endpoint that goes bad is skipped at once.
const (
	restPerWork    = 9
	restPerHundred = 100 * time.Microsecond
	maxRest        = 20 * time.Millisecond
)

// publication gives grpc the present snapshot, if the last one is out of date. It runs
// in the queue of calls.
func (s *Set) publication() {
	start := time.Now()
	s.mu.Lock()
	defer func() {
		s.due = s.timer != nil
		if s.dirty {
			s.dirtyLocked()
		}
		s.unlock()
	}()
	if !s.dirty || s.closed {
		return
	}
	s.dirty = false
	hundreds := 0
	if s.counts[judge.Undecided] > 0 {
		hundreds = len(s.list) / 100
	}
	next, untold := s.snapshotLocked(), s.untoldLocked()
	s.due = true
	s.unlock()
	s.cc.UpdateState(next.state(s.room))
	s.mu.Lock()
	for _, e := range untold { // now no call is sent to the endpoint that was active before
		s.emitLocked(e)
	}
	now := time.Now()
	s.rested = now.Add(min(max(restPerWork*now.Sub(start), restPerHundred*time.Duration(hundreds)), maxRest))
}

// publish has the present snapshot published, and waits until grpc has it. It must not
// be called in the queue of calls, where nothing of the program's own runs.
func (s *Set) publish() {
	done := make(chan struct{})
	if s.calls.Do(func() { s.publication(); close(done) }) {
		<-done
	}
}

// draft is what the next snapshot is made of.
type draft struct {
	connectivity connectivity.State
	refusal      *pick.Refusal // nil if there is something to pick
	conns        pick.Row
	weights      []int
	pick.Snapshot
}

// state makes the snapshot. It is done without Set.mu, since it may take
// milliseconds where there are many connections and their weights differ much.
func (d draft) state(room *pick.Room) balancer.State {
	if d.refusal != nil {
		return balancer.State{ConnectivityState: d.connectivity, Picker: d.refusal}
	}
	return balancer.State{ConnectivityState: d.connectivity, Picker: pick.NewPicker(room, d.conns, d.weights, d.Snapshot)}
}

// Stale tells whether a newer snapshot is on its way, or one that has somebody
// to pick. It implements pick.Source, as Explain does.
func (s *Set) Stale() bool {
	s.mu.Lock()
	defer s.unlock()
	return s.dirty || s.pickableLocked()
}

// snapshotLocked is the state of the whole set for grpc.
func (s *Set) snapshotLocked() draft {
	if s.eligible.Len() == 0 {
		s.pardonLocked()
	}
	switch {
	case s.pickableLocked():
		s.noneLocked(false)
		return s.eligibleLocked()
	case len(s.list) == 0 && s.problem != nil:
		return s.refuse(connectivity.TransientFailure, pick.Refusal{Plain: plainly(s.problem)})
	case len(s.list) == 0 || s.expectsLocked():
		return s.refuse(connectivity.Connecting, pick.Refusal{Wait: true})
	}
	s.noneLocked(true)
	if conns := s.openLocked(); len(conns) > 0 {
		row := pick.RowOf(pickable(conns))
		return draft{connectivity: connectivity.Ready, conns: row, weights: s.weightsLocked(row), Snapshot: pick.Snapshot{Open: true}}
	}
	return s.refuse(connectivity.TransientFailure, pick.Refusal{Wait: s.cfg.NoneEligible == settings.Wait})
}

func (s *Set) refuse(state connectivity.State, r pick.Refusal) draft {
	r.Room = s.room
	return draft{connectivity: state, refusal: &r}
}

// eligibleLocked drafts the snapshot of the eligible.
func (s *Set) eligibleLocked() draft {
	d := draft{connectivity: connectivity.Ready}
	if c := s.choice; c != nil {
		d.conns = pick.RowOf(pickable([]*conn{c.active.conn}))
		return d
	}
	d.conns, d.Spare = s.nearbyLocked()
	d.weights = s.weightsLocked(d.conns)
	for e := range s.ejections {
		if e.ejection.phase == onTrial && !e.drained && e.was.Serves {
			d.Trials = append(d.Trials, &e.conn.Conn)
		}
	}
	return d
}

// pickable returns connections as a pick sees them.
func pickable(conns []*conn) []*pick.Conn {
	out := make([]*pick.Conn, len(conns))
	for i, c := range conns {
		out[i] = &c.Conn
	}
	return out
}

// noneLocked notes, and makes an event of it once, that nobody is eligible any more or that
// somebody is again.
func (s *Set) noneLocked(none bool) {
	switch {
	case none && s.none.IsZero():
		s.none = time.Now()
		s.emitLocked(report.Event{
			Kind: report.EventNoneEligible, From: report.SomeEligible, To: report.NoneEligible, At: s.none,
			Detail: fmt.Sprintf("%v (policy for this: %s)", s.explainLocked(), s.cfg.NoneEligible),
		})
	case !none && !s.none.IsZero():
		now := time.Now()
		s.emitLocked(report.Event{Kind: report.EventNoneEligible, From: report.NoneEligible, To: report.SomeEligible, Held: now.Sub(s.none), At: now})
		s.none = time.Time{}
	}
}

// openLocked gives the connections that are picked although nobody is eligible.
func (s *Set) openLocked() []*conn {
	if s.cfg.NoneEligible != settings.FailOpen || s.pickableLocked() || s.expectsLocked() {
		return nil
	}
	return s.connectedLocked()
}

// connectedLocked gives the connections that exist, whatever their health,
// without the drained ones. Where one endpoint at a time is picked it is one.
func (s *Set) connectedLocked() []*conn {
	var conns []*conn
	for _, e := range s.list {
		if e.link.phase == ready && !e.drained && e.identifiedLocked() {
			conns = append(conns, e.conn)
		}
	}
	if s.choice != nil {
		return s.choice.likeliest(conns)
	}
	return conns
}
