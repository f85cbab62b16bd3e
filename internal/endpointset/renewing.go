package endpointset

import (
	"net"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// An endpoint is renewed when its name resolves to another address than the one that
// it is connected to, when its connection is in use and answers no checks, or when the
// files of its client certificate hold another one than its connection was made with
// (see recertifying.go). A successor is made, which is not in the list. It connects and
// is probed like any endpoint, and replaces the endpoint once it is eligible. If it does
// not become eligible, nothing changes, unless it has another certificate and the
// endpoint is not eligible either: then there is nothing to lose by a new connection.

// Connected is an endpoint that is connected.
type Connected struct {
	Name, Address string
	// Remote is the address at the connection's far end.
	Remote net.Addr
}

// Connected returns the endpoints whose connections are known.
func (s *Set) Connected() []Connected {
	s.scope.Lock()
	defer s.scope.Unlock()
	out := make([]Connected, 0, len(s.list))
	for _, e := range s.list {
		if remote := e.link.Remote(); remote != nil {
			out = append(out, Connected{Name: e.name, Address: e.conn.Address.Addr, Remote: remote})
		}
	}
	return out
}

// Renew makes a new connection for the endpoint with this name, and retires the old
// one when the endpoint is eligible on the new one. It does nothing if the endpoint is
// not connected, drained, new, or being renewed already.
func (s *Set) Renew(name string) {
	s.scope.Lock()
	defer s.scope.Unlock()
	if e := s.byName[name]; !s.scope.Closed() && e != nil {
		e.replaceConnLocked("its name has come to mean another address")
	}
}

// replaceConnLocked makes a new connection for the endpoint, in the same way. It returns
// the successor, or nil if it has not begun to.
func (e *endpoint) replaceConnLocked(why string) (successor *endpoint) {
	s := e.set
	if s.byName[e.name] != e || e.link.Phase() != machine.Ready || e.drained || e.joins != nil || s.renewing[e.name] != nil {
		return nil
	}
	n := s.newEndpointLocked(e.want)
	n.listed, n.unlisted = e.listed, true
	n.link.Readdress(e.link.Addrs())
	s.renewing[e.name] = n
	h := newHandover(s, func([]*endpoint) { n.renewLocked(e) })
	h.join(n)
	h.leave(e)
	h.settle()
	s.teller.Logf("endpoint %q: %s; connecting anew", e.name, why)
	n.startLocked()
	return n
}

// renewLocked replaces old by e, if e is eligible, or connected with a new certificate
// while old is not eligible either.
func (e *endpoint) renewLocked(old *endpoint) {
	s := e.set
	nothingToLose := e.recertified.Leaf != nil && old.was.Class != judge.Eligible && e.link.Phase() == machine.Ready
	if e.was.Class != judge.Eligible && !nothingToLose {
		e.keepLocked()
		return
	}
	delete(s.renewing, e.name)
	for i := range s.list {
		if s.list[i] == old {
			s.list[i] = e
		}
	}
	s.byName[e.name] = e
	s.counts[old.was.Class]--
	s.counts[e.was.Class]++
	old.unlisted, e.unlisted = true, false
	was := old.was
	e.succeedLocked(old)
	old.closeLocked()
	e.inheritLocked(old)
	e.tellLocked(was)
	s.teller.Logf("endpoint %q: renewed, and connected to %v", e.name, e.link.Remote())
	s.pub.Mark()
}

// inheritLocked adds the counts of an endpoint that is closed to those of e.
func (e *endpoint) inheritLocked(from *endpoint) {
	e.since, e.heardAt = from.since, from.heardAt
	e.transitions, e.ejections = from.transitions, from.ejections
	e.folded, e.retired, e.recorded = pick.Sum(e.folded, from.folded), append(e.retired, from.retired...), from.recorded
	e.picked = from.picked
	from.folded, from.retired, from.recorded, from.picked = report.CallStats{}, nil, report.CallStats{}, 0
}

// succeedLocked makes e the successor of old in the choice of the active endpoint.
func (e *endpoint) succeedLocked(old *endpoint) {
	c := e.set.choice
	if c == nil {
		return
	}
	e.id = old.id
	c.byID[e.id] = e
	if c.last == old {
		c.last = e
	}
	if c.active == old {
		c.active = e
		old.admitLocked() // first, so that there are never two
	}
	e.admitLocked()
	e.observeLocked(old.was)
}

// keepLocked gives up a renewal of which e is the successor: the endpoint that was to
// be replaced stays.
func (e *endpoint) keepLocked() {
	if e.joins != nil {
		e.joins.stop()
	}
	delete(e.set.renewing, e.name)
	e.set.teller.Logf("not renewed: %v", e.explainLocked(time.Now()))
	e.closeLocked()
}

// renewals are the successors of endpoints in the list, by name.
type renewals map[string]*endpoint

// giveUp gives up all renewals.
func (r renewals) giveUp() {
	for _, n := range r {
		n.keepLocked()
	}
}
