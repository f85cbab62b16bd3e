package endpointset

import (
	"iter"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/wanted"
)

// members are the endpoints of a set.
type members struct {
	list     []*endpoint // in the order of the resolver's list
	byName   map[string]*endpoint
	drained  map[string]bool
	problem  error         // what was wrong with the newest list
	refused  bool          // the newest list was refused, here or before it reached the set
	handover *listHandover // from the list before; it may have nothing to do
	renewing renewals
}

// all returns the endpoints of the list, and then those that are leaving it.
func (m *members) all() iter.Seq[*endpoint] {
	return func(yield func(*endpoint) bool) {
		for _, e := range m.list {
			if !yield(e) {
				return
			}
		}
		for _, e := range m.handover.old {
			if !yield(e) {
				return
			}
		}
	}
}

// checkers returns the checkers of all endpoints.
func (m *members) checkers() []*checking.Checker {
	var checkers []*checking.Checker
	for e := range m.all() {
		if e.checker != nil {
			checkers = append(checkers, e.checker)
		}
	}
	return checkers
}

// replaceLocked replaces the current list by list. An endpoint is kept if it would be
// made the same way again, even one that is leaving.
func (s *Set) replaceLocked(list []wanted.Endpoint) {
	s.renewing.giveUp()
	wanted.Recognize(list, s.present())
	leaving := byNames(s.handover.old)
	next := make([]*endpoint, 0, len(list))
	byName := make(map[string]*endpoint, len(list))
	var fresh []*endpoint
	for _, w := range list {
		e := s.kept(w, leaving, s.cfg.HealthCheck)
		if e == nil {
			e = s.newEndpointLocked(w)
			fresh = append(fresh, e)
		} else {
			e.link.Readdress(w.Addrs)
		}
		e.weight, e.zone, e.priority, e.identity = w.Weight, w.Zone, w.Priority, w.Identity
		next = append(next, e)
		byName[w.Name] = e
	}
	gone := s.list
	s.list, s.byName = next, byName
	now := time.Now()
	var released []*endpoint
	left := 0
	for _, e := range gone {
		if byName[e.name] == e {
			continue
		}
		if !e.leaveLocked(now) {
			released = append(released, e)
		}
		if byName[e.name] == nil {
			left++
		}
	}
	for _, e := range next {
		if e.unlisted {
			e.listedAgainLocked()
		}
	}
	for _, e := range s.handover.old {
		e.superseded = e.superseded || byName[e.name] != nil
	}
	s.acceptedLocked(len(fresh), left)
	for name := range s.drained {
		if byName[name] == nil {
			delete(s.drained, name)
		}
	}
	for _, e := range fresh {
		s.handover.join(e)
		s.counts[e.was.Class]++
	}
	s.choice.members()
	for _, e := range released {
		e.superseded = byName[e.name] != nil
		e.releaseLocked()
	}
	for _, e := range fresh {
		e.startLocked()
	}
	f := s.handover.facts()
	f.Changed = len(fresh) > 0
	s.handover.step(f)
}

// kept returns the endpoint that a new list keeps for w: one of the list, or one that is
// leaving. It is nil if the endpoint has to be made.
func (m *members) kept(w wanted.Endpoint, leaving map[string][]*endpoint, health healthcheck.Config) *endpoint {
	kept := func(e *endpoint) bool { return e.presentLocked().Stays(w) && e.healthCheck == health }
	if e := m.byName[w.Name]; e != nil && kept(e) {
		return e
	}
	for _, e := range leaving[w.Name] {
		if kept(e) && !m.drained[w.Name] {
			return e
		}
	}
	return nil
}

func byNames(list []*endpoint) map[string][]*endpoint {
	m := make(map[string][]*endpoint, len(list))
	for _, e := range list {
		m[e.name] = append(m[e.name], e)
	}
	return m
}

// present returns the endpoints of the list as a new list is compared with.
func (m *members) present() []wanted.Present {
	present := make([]wanted.Present, len(m.list))
	for i, e := range m.list {
		present[i] = e.presentLocked()
	}
	return present
}

func (e *endpoint) presentLocked() wanted.Present {
	p := wanted.Present{Name: e.name, Addrs: e.link.Addrs()}
	if e.conn != nil {
		p.Connected = &e.conn.Address
	}
	return p
}
