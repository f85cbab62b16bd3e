package jsonapi

import (
	"slices"
	"sync/atomic"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/turns"
)

// picks is what a request needs to pick an endpoint. It does not change; the pool
// replaces it.
type picks struct {
	policy Policy
	turns  []*endpoint // RoundRobin: in the order of their turns
	ready  []*endpoint // that may be picked
	// eligible are those that may be picked by their names: also standbys, and those of
	// other zones.
	eligible []*endpoint
	weights  []int       // of ready
	trials   []*endpoint // one request may try each
	// waits says that requests wait for another picks if this one has no endpoint.
	waits   bool
	byName  map[string]*endpoint // all of the list, and whether they are in ready
	closed  bool
	changed chan struct{} // closed when another picks replaces this one
}

// past is what has become of a request on an endpoint. An endpoint with a lower one is
// preferred.
type past uint8

const (
	pastNone   past = iota
	pastTried       // it has been sent to the endpoint
	pastDenied      // and its token has been rejected there
)

// pick returns an endpoint, or nil if there is none. trial reports that the request shows
// whether the endpoint, which was ejected, works again. An endpoint that has been tried is
// returned only if no other one is left.
func (s *picks) pick(turn *atomic.Uint64, named string, of func(*endpoint) past) (e *endpoint, trial bool) {
	if named != "" {
		if e := s.byName[named]; e != nil && (slices.Contains(s.eligible, e) || slices.Contains(s.ready, e)) {
			return e, false
		}
		return nil, false
	}
	for _, e := range s.trials {
		if of(e) == pastNone && e.trial.CompareAndSwap(true, false) {
			return e, true
		}
	}
	if len(s.ready) == 0 {
		return nil, false
	}
	at := turn.Add(1) - 1
	if s.policy == LeastLoaded {
		return s.leastLoaded(at, of), false
	}
	n := uint64(len(s.turns))
	for p := range pastDenied {
		for i := range n {
			if e := s.turns[(at+i)%n]; of(e) == p {
				return e, false
			}
		}
	}
	return s.turns[at%n], false
}

// leastLoaded returns the endpoint with the fewest requests in flight for its weight.
// Among equals, they take turns.
func (s *picks) leastLoaded(at uint64, of func(*endpoint) past) (best *endpoint) {
	n := uint64(len(s.ready))
	for p := pastNone; p <= pastDenied; p++ {
		var load float64
		for i := range n {
			j := (at + i) % n
			e := s.ready[j]
			if of(e) != p {
				continue
			}
			if l := float64(e.flights.len()+1) / float64(s.weights[j]); best == nil || l < load {
				best, load = e, l
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// elsewhere reports whether there is an endpoint that was not tried.
func (s *picks) elsewhere(of func(*endpoint) past) bool {
	for _, e := range s.ready {
		if of(e) == pastNone {
			return true
		}
	}
	return false
}

// publishLocked replaces the picks by those of now, and starts what follows: requests
// that wait look again, and those on endpoints that do not serve are made elsewhere.
func (p *pool) publishLocked() {
	p.settleHandoverLocked()
	s := &picks{policy: p.cfg.policy, changed: make(chan struct{}), closed: p.closed, byName: make(map[string]*endpoint)}
	undecided := p.surveyLocked(s)
	if len(s.ready) == 0 && p.anyEjected.Load() > 0 && !p.closed && !p.pardoning {
		p.pardoning = true
		for _, e := range p.list {
			e.ejectLocked(machinePardon)
		}
		p.pardoning = false
		p.publishLocked()
		return
	}
	s.eligible = s.ready
	s.ready = p.nearestLocked(s.ready)
	if p.choice != nil {
		s.ready, undecided = p.choice.readyLocked(undecided)
	}
	if len(s.ready) == 0 && !undecided && p.cfg.NoneEligible == failOpen {
		s.ready = p.openLocked()
	}
	for _, e := range s.ready {
		s.weights = append(s.weights, e.weight)
	}
	for _, i := range turns.Plan(s.weights) {
		s.turns = append(s.turns, s.ready[i])
	}
	s.waits = undecided || p.cfg.NoneEligible == wait
	p.noneLocked(len(s.ready) == 0 && !undecided)
	old := p.picks.Swap(s)
	if old != nil {
		close(old.changed)
	}
	p.seeking.Store(len(s.ready) == 0)
	if len(s.ready) == 0 {
		p.wanted.Ring()
		return
	}
	for _, e := range append(p.allLocked(), p.retired...) {
		if e.was.Sick && e.flights.len() > 0 {
			p.after = append(p.after, e.rescue)
		}
	}
}

// surveyLocked enters the endpoints into s by their names, those that are eligible as
// ready, and those on trial. It reports whether one of them is undecided.
func (p *pool) surveyLocked(s *picks) (undecided bool) {
	for _, e := range p.allLocked() {
		if !e.unlisted || s.byName[e.at.Name] == nil {
			s.byName[e.at.Name] = e
		}
		switch e.was.Class {
		case judge.Eligible:
			s.ready = append(s.ready, e)
		case judge.Undecided:
			undecided = true
		case judge.Out:
		}
		if e.trial.Load() {
			s.trials = append(s.trials, e)
		}
	}
	return undecided
}

// nearestLocked returns those of the eligible endpoints that are in the zone of the
// client, or all of them if too few of the zone's endpoints are eligible.
func (p *pool) nearestLocked(eligible []*endpoint) []*endpoint {
	elsewhere := func(e *endpoint) bool { return e.zone != p.cfg.Zone }
	inZone := len(slices.DeleteFunc(slices.Clone(p.list), elsewhere))
	if p.cfg.Zone == "" || inZone == 0 {
		return eligible
	}
	nearby := slices.DeleteFunc(slices.Clone(eligible), elsewhere)
	p.spilled = float64(len(nearby)) < p.cfg.SpillBelow*float64(inZone) || len(nearby) == 0
	if p.spilled {
		return eligible
	}
	return nearby
}

// openLocked returns the endpoints to pick although none is eligible: all that are not
// drained, or the one that was active last.
func (p *pool) openLocked() []*endpoint {
	open := slices.DeleteFunc(p.allLocked(), func(e *endpoint) bool { return e.drained })
	if p.choice == nil || len(open) == 0 {
		return open
	}
	name := p.choice.state.Status().Last
	if pin := p.choice.pinned(); pin != "" {
		name = pin
	}
	if i := slices.IndexFunc(open, func(e *endpoint) bool { return e.at.Name == name }); i >= 0 {
		return open[i : i+1]
	}
	return open[:1]
}
