package endpointset

import (
	"net"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// An endpoint is renewed when its name has come to mean another address than the
// one that it is connected to. A successor is made beside it, which is not in the
// list: it connects and is probed like any endpoint, and takes the other's place
// once it is eligible. If it does not get there, everything stays as it was.

// Connected is an endpoint that is connected.
type Connected struct {
	Name, Address string
	// Remote is the address at the connection's far end.
	Remote net.Addr
}

// Connected gives the endpoints whose connections are known.
func (s *Set) Connected() []Connected {
	s.mu.Lock()
	defer s.unlock()
	out := make([]Connected, 0, len(s.list))
	for _, e := range s.list {
		if remote := e.remoteLocked(); remote != nil {
			out = append(out, Connected{Name: e.name, Address: e.conn.address.Addr, Remote: remote})
		}
	}
	return out
}

func (e *endpoint) remoteLocked() net.Addr {
	if e.link.phase != ready {
		return nil
	}
	return e.conn.holder.Remote()
}

// Renew makes the endpoint with this name a new connection, and gives up the old
// one when the endpoint is eligible on the new one. It does nothing if the
// endpoint is not connected, drained, new, or being renewed already.
func (s *Set) Renew(name string) {
	s.mu.Lock()
	defer s.unlock()
	e := s.byName[name]
	if s.closed || e == nil || e.link.phase != ready || e.drained || e.warming || s.renewing[name] != nil {
		return
	}
	n := s.newEndpointLocked(e.want)
	n.weight, n.zone, n.priority = e.weight, e.zone, e.priority
	n.replaces, n.unlisted = e, true
	s.renewing[name] = n
	n.patience = time.AfterFunc(maxWarming, func() {
		s.mu.Lock()
		defer s.unlock()
		s.keepLocked(n)
	})
	s.teller.Logf("endpoint %q: its name has come to mean another address; connecting to that", name)
	n.startLocked()
}

// renewedLocked ends the renewal of which n is the successor, as soon as it is
// decided.
func (s *Set) renewedLocked(n *endpoint) {
	if n.was.Class != judge.Eligible {
		s.keepLocked(n)
		return
	}
	e := n.replaces
	s.endRenewalLocked(n)
	for i := range s.list {
		if s.list[i] == e {
			s.list[i] = n
		}
	}
	s.byName[n.name] = n
	s.counts[e.was.Class]--
	s.counts[n.was.Class]++
	e.unlisted, n.unlisted = true, false
	was := e.was
	s.succeedLocked(n, e)
	e.closeLocked()
	n.inheritLocked(e)
	n.tellLocked(was)
	s.teller.Logf("endpoint %q: renewed, and connected to %v", n.name, n.remoteLocked())
	s.dirtyLocked()
}

// inheritLocked has the accounts of an endpoint that is closed go on as those of e.
func (e *endpoint) inheritLocked(from *endpoint) {
	e.since, e.heardAt = from.since, from.heardAt
	e.transitions, e.ejections = from.transitions, from.ejections
	e.folded, e.retired, e.recorded = pick.Sum(e.folded, from.folded), append(e.retired, from.retired...), from.recorded
	e.picked = from.picked
	from.folded, from.retired, from.recorded, from.picked = report.CallStats{}, nil, report.CallStats{}, 0
}

// succeedLocked has the choice of the active go on with n as if it were e.
func (s *Set) succeedLocked(n, e *endpoint) {
	c := s.choice
	if c == nil {
		return
	}
	n.id = e.id
	c.byID[n.id] = n
	if c.last == e {
		c.last = n
	}
	if c.active == e {
		c.active = n
		e.admitLocked() // first, so that there are never two
	}
	n.admitLocked()
	n.observeLocked(e.was)
}

// keepLocked gives up a renewal.
func (s *Set) keepLocked(n *endpoint) {
	if n.replaces == nil || s.closed {
		return
	}
	s.teller.Logf("not renewed: %v", n.explainLocked(time.Now()))
	s.endRenewalLocked(n)
	n.closeLocked()
}

// keepAllLocked gives up all renewals.
func (s *Set) keepAllLocked() {
	for _, n := range s.renewing {
		s.keepLocked(n)
	}
}

func (s *Set) endRenewalLocked(n *endpoint) {
	n.patience.Stop()
	n.replaces, n.patience = nil, nil
	delete(s.renewing, n.name)
}
