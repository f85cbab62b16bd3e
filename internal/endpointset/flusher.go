package endpointset

import (
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

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
	if s.counts[undecided] > 0 {
		n = len(s.list) / 100
	}
	if !s.dirty || s.closed {
		s.unlock()
		return n
	}
	s.dirty = false
	state := s.snapshotLocked()
	untold := s.untoldLocked()
	s.wg.Add(1) // Close waits, so that nothing is published after it
	s.unlock()
	defer s.wg.Done()
	if p, ok := state.Picker.(*picker); ok {
		p.plan()
	}
	s.cc.UpdateState(state)
	s.tell(untold)
	return n
}

// stale tells whether a newer snapshot is on its way, or one that has somebody
// to pick.
func (s *Set) stale() bool {
	s.mu.Lock()
	defer s.unlock()
	return s.dirty || s.pickableLocked()
}

// snapshotLocked is the state of the whole set for grpc.
func (s *Set) snapshotLocked() balancer.State {
	if s.eligible.len() == 0 {
		s.pardonLocked()
	}
	switch {
	case s.pickableLocked():
		s.noneLocked(false)
		return balancer.State{ConnectivityState: connectivity.Ready, Picker: s.newPickerLocked()}
	case len(s.list) == 0 && s.problem != nil:
		return balancer.State{
			ConnectivityState: connectivity.TransientFailure,
			Picker:            &refusal{set: s, plain: plainly(s.problem)},
		}
	case len(s.list) == 0 || s.expectsLocked():
		return balancer.State{ConnectivityState: connectivity.Connecting, Picker: &refusal{set: s, wait: true}}
	}
	s.noneLocked(true)
	if conns := s.openLocked(); len(conns) > 0 {
		return balancer.State{ConnectivityState: connectivity.Ready, Picker: s.newOpenPickerLocked(conns)}
	}
	return balancer.State{
		ConnectivityState: connectivity.TransientFailure,
		Picker:            &refusal{set: s, wait: s.cfg.NoneEligible == Wait},
	}
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
		if e.link.phase == ready && !e.drained && e.validatedLocked() {
			conns = append(conns, e.conn)
		}
	}
	if s.choice != nil {
		return s.choice.likeliest(conns)
	}
	return conns
}
