package endpointset

import (
	"maps"
	"slices"
	"sync"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/attempt"
)

// rescuable are the calls in flight on one connection that may be called off and
// made again on another. Its zero value is empty. It is safe for concurrent use,
// and takes no lock but its own and, without that, those of the calls.
type rescuable struct {
	mu    sync.Mutex
	calls map[*attempt.Record]struct{}
}

func (r *rescuable) add(call *attempt.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = make(map[*attempt.Record]struct{})
	}
	r.calls[call] = struct{}{}
}

func (r *rescuable) remove(call *attempt.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, call)
}

// rescue calls off all of them. endpoint is the name of the endpoint that they
// are on.
func (r *rescuable) rescue(endpoint string) {
	r.mu.Lock()
	calls := slices.Collect(maps.Keys(r.calls))
	r.mu.Unlock()
	for _, call := range calls {
		call.Rescue(endpoint)
	}
}

// rescueLocked has calls on unhealthy endpoints made again elsewhere, once Set.mu
// is released: those on e if it has just become unhealthy and there is another,
// whatever its class was, and those on all of them if e is the first that is
// eligible again.
func (s *Set) rescueLocked(e *endpoint, was class) {
	sick := e.health.state == healthcheck.Unhealthy
	fell := sick && !e.sick
	e.sick = sick
	switch {
	case fell && s.eligible.len() > 0:
		e.rescueLocked()
	case was != eligible && e.class == eligible && s.eligible.len() == 1:
		for _, other := range s.list {
			other.rescueLocked()
		}
		for _, other := range s.leaving {
			other.rescueLocked()
		}
	}
}

func (e *endpoint) rescueLocked() {
	if c := e.conn; c != nil && e.class == out && e.health.state == healthcheck.Unhealthy {
		e.set.after = append(e.set.after, func() { c.rescuable.rescue(e.name) })
	}
}

// rescueLate is for the calls on a connection that is given up while its
// endpoint is in doubt, and for one that was given a connection which turned bad
// at that very moment.
func (s *Set) rescueLate(c *conn) {
	s.mu.Lock()
	elsewhere := s.eligible.len() > 0 && (c.endpoint.conn != c || c.endpoint.health.state == healthcheck.Unhealthy)
	s.unlock()
	if elsewhere {
		c.rescuable.rescue(c.endpoint.name)
	}
}
