package endpointset

import (
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// dirtyLocked has a new snapshot published, soon and once for all changes until
// then.
func (s *Set) dirtyLocked() {
	s.dirty = true
	if s.inline || s.flushing || s.closed {
		return
	}
	s.flushing = true
	s.wg.Go(s.flusher)
}

// After a publication the flusher rests: many times as long as that has taken,
// and at least restPerHundred for each hundred endpoints while some of them are
// on their way, but at most maxRest. So when thousands of endpoints start up
// together, they are not copied thousands of times. It rests no longer once the
// last of them is decided. Nothing waits for it but calls that nobody could take
// before: an endpoint that goes bad is skipped at once.
const (
	restPerWork    = 9
	restPerHundred = 100 * time.Microsecond
	maxRest        = 20 * time.Millisecond
)

// flusher publishes until there is nothing new.
func (s *Set) flusher() {
	for {
		start := time.Now()
		hundreds := s.publish()
		rest := max(restPerWork*time.Since(start), restPerHundred*time.Duration(hundreds))
		timer := time.NewTimer(min(rest, maxRest))
		select {
		case <-timer.C:
		case <-s.decided:
			timer.Stop()
		case <-s.ctx.Done():
			timer.Stop()
		}
		s.mu.Lock()
		if !s.dirty || s.closed {
			s.flushing = false
			s.unlock()
			return
		}
		s.unlock()
	}
}

// publish gives grpc the present snapshot, if the last one is out of date. It
// returns how many hundred endpoints there are if some of them are on their way,
// and 0 if not.
func (s *Set) publish() int {
	s.flush.Lock()
	defer s.flush.Unlock()
	s.mu.Lock()
	n := 0
	if s.counts[judge.Undecided] > 0 {
		n = len(s.list) / 100
	}
	if !s.dirty || s.closed {
		s.unlock()
		return n
	}
	s.dirty = false
	next := s.snapshotLocked()
	untold := s.untoldLocked()
	s.wg.Add(1) // Close waits, so that nothing is published after it
	s.unlock()
	defer s.wg.Done()
	s.cc.UpdateState(next.state(s.room))
	s.tell(untold)
	return n
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
	return s.refuse(connectivity.TransientFailure, pick.Refusal{Wait: s.cfg.NoneEligible == Wait})
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
	if s.cfg.NoneEligible != FailOpen || s.pickableLocked() || s.expectsLocked() {
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
