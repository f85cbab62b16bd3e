package endpointset

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// turn counts the picks of a set. It sits on a cache line of its own, and the
// snapshots share it, so that a change of the set neither starts the round
// again nor favours whoever comes first.
type turn struct {
	_ [cacheLine]byte
	n atomic.Uint32
	_ [cacheLine]byte
}

// newTurn starts at random, or the first calls of all clients would go to the
// same server.
func newTurn() *turn {
	t := new(turn)
	t.n.Store(rand.Uint32())
	return t
}

// picker is an immutable snapshot of the connections that may be picked. A pick
// takes no lock and allocates nothing: one step of the turn, one index, and one
// step of the connection's counter, which tells whether it is still eligible.
type picker struct {
	set *Set
	// conns are those to pick in turn; the same one several times where weights
	// differ.
	conns row
	// spare are eligible ones in other zones, for a call that has tried all of
	// conns or finds them all gone bad.
	spare []*conn
	// trials are the connections of endpoints that one call may try; mostly none.
	trials []*conn
	turn   *turn
	open   bool // pick whatever its health, because nobody is eligible

	weights []int // of conns, as long as the turns are not planned
}

// newPickerLocked makes the picker of the eligible. It has yet to plan.
func (s *Set) newPickerLocked() *picker {
	if c := s.choice; c != nil {
		return &picker{set: s, conns: rowOf([]*conn{c.active.conn}), turn: s.turn}
	}
	p := &picker{set: s, turn: s.turn}
	p.conns, p.spare = s.nearbyLocked()
	p.weights = s.weightsLocked(p.conns)
	for e := range s.ejections {
		if e.ejection.phase == onTrial && !e.drained && e.servesLocked() {
			p.trials = append(p.trials, e.conn)
		}
	}
	return p
}

// newOpenPickerLocked makes a picker of any connections. It has yet to plan.
func (s *Set) newOpenPickerLocked(conns []*conn) *picker {
	p := &picker{set: s, conns: rowOf(conns), turn: s.turn, open: true}
	p.weights = s.weightsLocked(p.conns)
	return p
}

// Pick implements balancer.Picker.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if r := attempt.From(info.Ctx); r != nil {
		return p.pickNoting(info, r)
	}
	if c := p.trial(); c != nil {
		c.pick()
		return balancer.PickResult{SubConn: c.sc, Done: c.trialDone}, nil
	}
	c, i := p.take()
	if !c.pick() && !p.open {
		return p.pickAfter(c, i)
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
}

// pickAfter picks in place of c, at i, which is not eligible any more.
func (p *picker) pickAfter(c *conn, i int) (balancer.PickResult, error) {
	c.unpick()
	if c = p.after(i); c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.pick()
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
}

// errSpent ends a call that has had all its attempts. It is a status error on
// purpose: grpc's own retries must end as well.
var errSpent = status.Error(codes.Unavailable, "the call has had all its attempts")

// IsSpent tells whether a call's error is the picker's word that it has had all
// its attempts.
func IsSpent(err error) bool { return errors.Is(err, errSpent) }

// pickNoting is Pick for a call whose attempts are noted: it does not give an
// endpoint that the call has tried while there is another.
func (p *picker) pickNoting(info balancer.PickInfo, r *attempt.Record) (balancer.PickResult, error) {
	switch r.MayTry() {
	case attempt.Spent:
		return balancer.PickResult{}, errSpent
	case attempt.CalledOff: // its context is about to end
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
	}
	c, done := p.choose(r)
	if c == nil {
		r.Refused(p.set.explain)
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.pick()
	r.Picked(info.Ctx, c.endpoint.name, c.address.Addr)
	var among *records
	switch {
	case r.Rescuable:
		among = &c.rescuable
	case r.Movable:
		among = &c.movable
	default:
		return balancer.PickResult{SubConn: c.sc, Done: func(end balancer.DoneInfo) {
			done(end)
			r.Done(end, false)
		}}, nil
	}
	among.add(r)
	if r.Rescuable && !c.eligible() && !p.open {
		p.set.rescueLate(c)
	}
	return balancer.PickResult{SubConn: c.sc, Done: func(end balancer.DoneInfo) {
		among.remove(r)
		done(end)
		r.Done(end, c.deniesToken(end.Err, end.BytesReceived))
	}}, nil
}

// choose gives the connection for the next attempt of a call, and what has to be
// done when it ends. A call that is made again is no trial: it has suffered enough.
func (p *picker) choose(r *attempt.Record) (*conn, func(balancer.DoneInfo)) {
	if r.Fresh() {
		if c := p.trial(); c != nil {
			return c, c.trialDone
		}
	}
	c := p.next()
	if c == nil {
		return nil, nil
	}
	if !r.Fresh() && r.Tried(c.endpoint.name) {
		c = p.untried(r, c)
		if c.doubted.Load() && r.Tried(c.endpoint.name) {
			return nil, nil // who is the active will be known soon
		}
	}
	return c, c.done
}

// trial gives the connection of an endpoint that waits for a call to try it, nil
// if there is none, as mostly.
func (p *picker) trial() *conn {
	for _, c := range p.trials {
		if c.trial.Load() && c.trial.CompareAndSwap(true, false) {
			return c
		}
	}
	return nil
}

// take takes the next turn: it gives a connection, and its place. What can be
// loaded before the atomic step is, since that holds up every load behind it.
func (p *picker) take() (*conn, int) {
	flat, n := p.conns.flat, uint32(p.conns.n)
	i := int(p.turn.n.Add(1) % n)
	if i < len(flat) {
		return flat[i], i
	}
	return p.conns.at(i), i
}

// next takes the next turn that goes to one who is eligible. It gives nil if the
// snapshot is out of date so far that nobody in it is any more; the next one is on
// its way then. Pick does the same for itself, which saves a call.
func (p *picker) next() *conn {
	c, i := p.take()
	if c.eligible() || p.open {
		return c
	}
	return p.after(i)
}

// untried gives an eligible connection of an endpoint that the call has not
// tried, otherwise if there is none.
func (p *picker) untried(r *attempt.Record, otherwise *conn) *conn {
	turn := p.turn.n.Load()
	spare := rowOf(p.spare)
	for _, conns := range []*row{&p.conns, &spare} {
		for i := range conns.n {
			c := conns.at(int((turn + uint32(i)) % uint32(conns.n)))
			if c.eligible() && !r.Tried(c.endpoint.name) {
				return c
			}
		}
	}
	return otherwise
}

// after gives the next eligible connection behind i, one in another zone if
// there is none, and nil if there is none there either.
func (p *picker) after(i int) *conn {
	for range p.conns.n - 1 {
		if i++; i == p.conns.n {
			i = 0
		}
		if c := p.conns.at(i); c.eligible() {
			return c
		}
	}
	for _, c := range p.spare {
		if c.eligible() {
			return c
		}
	}
	return nil
}

// refusal is the picker of a set with nobody to pick: calls wait, or fail with
// the reasons.
type refusal struct {
	set   *Set
	wait  bool
	plain error // the reason, if it is not the endpoints'
}

// Pick implements balancer.Picker. The error is never a status error: that
// would end the calls which are willing to wait.
func (p *refusal) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if p.plain != nil {
		return balancer.PickResult{}, p.plain
	}
	attempt.From(info.Ctx).Refused(p.set.explain)
	if p.wait || p.set.stale() {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	return balancer.PickResult{}, p.set.explain()
}
