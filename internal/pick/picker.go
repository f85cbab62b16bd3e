package pick

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/turns"
)

// Source tells pickers of the set that they are of. Its methods may lock.
type Source interface {
	// Explain says why no endpoint may be picked.
	Explain() error
	// Stale tells whether a newer snapshot is on its way, or could be.
	Stale() bool
}

// Room is what the snapshots of one set share. It outlives them.
type Room struct {
	_ [cacheLine]byte
	// turn counts the picks. It sits on a cache line of its own, and the snapshots
	// share it, so that a change of the set neither starts the round again nor favours
	// the endpoint that comes first.
	turn atomic.Uint32
	_    [cacheLine]byte

	source     Source
	ejectAfter atomic.Uint32 // how many calls in a row must fail for an ejection
}

// NewRoom makes a Room. The turn starts at random, or the first calls of all clients
// would go to the same server.
func NewRoom(source Source) *Room {
	r := &Room{source: source}
	r.turn.Store(rand.Uint32())
	return r
}

// EjectAfter sets how many calls in a row must fail for an ejection.
func (r *Room) EjectAfter(failures int) { r.ejectAfter.Store(uint32(failures)) }

// Turn returns how many picks there were, modulo 2^32 and from a random number on.
func (r *Room) Turn() uint32 { return r.turn.Load() }

// SetTurn is for tests.
func (r *Room) SetTurn(n uint32) { r.turn.Store(n) }

// Picker is an immutable snapshot of the connections that may be picked. A pick
// takes no lock and allocates nothing: one step of the turn, one index, and one
// step of the connection's counter, which tells whether it is still eligible.
type Picker struct {
	room *Room
	// conns are those to pick in turn; the same one several times where weights
	// differ.
	conns Row
	Snapshot
}

// Snapshot is what a Picker is made of besides the connections that it picks in turn.
// What it holds must not change any more.
type Snapshot struct {
	// Spare are eligible connections in other zones, for a call that has tried all of
	// the others or finds them all gone bad.
	Spare []*Conn
	// Trials are the connections of endpoints that one call may try; mostly none.
	Trials []*Conn
	// Open has the connections picked whatever their health, since no endpoint is
	// eligible.
	Open bool
}

// NewPicker makes the picker of at least one connection. weights are those of conns,
// each above 0; nil if all are equal. It may take milliseconds where there are many and
// their weights differ much.
func NewPicker(room *Room, conns Row, weights []int, s Snapshot) *Picker {
	p := &Picker{room: room, conns: conns, Snapshot: s}
	if weights != nil {
		order := turns.Plan(weights)
		planned := make([]*Conn, len(order))
		for i, j := range order {
			planned[i] = conns.At(j)
		}
		p.conns = RowOf(planned)
	}
	return p
}

// Conns returns the connections in the order of their turns.
func (p *Picker) Conns() []*Conn { return p.conns.Slice() }

// Pick implements balancer.Picker.
func (p *Picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if r := attempt.From(info.Ctx); r != nil || p.Trials != nil {
		return p.pickHeeding(info, r)
	}
	c, i := p.take()
	if !c.Step() && !p.Open {
		return p.pickAfter(c, i)
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
}

// pickHeeding is Pick for a call whose attempts are noted, or while an endpoint is on
// trial.
func (p *Picker) pickHeeding(info balancer.PickInfo, r *attempt.Record) (balancer.PickResult, error) {
	if r != nil {
		return p.pickNoting(info, r)
	}
	if c := p.trial(); c != nil {
		c.Step()
		return balancer.PickResult{SubConn: c.sc, Done: c.trialDone}, nil
	}
	c := p.next()
	if c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.Step()
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
}

// pickAfter picks in place of c, at i, which is not eligible any more.
func (p *Picker) pickAfter(c *Conn, i int) (balancer.PickResult, error) {
	c.StepBack()
	if c = p.after(i); c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.Step()
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
func (p *Picker) pickNoting(info balancer.PickInfo, r *attempt.Record) (balancer.PickResult, error) {
	switch r.MayTry() {
	case attempt.Spent:
		return balancer.PickResult{}, errSpent
	case attempt.CalledOff: // its context is about to end
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
	}
	c, done := p.choose(r)
	if c == nil {
		r.Refused(p.room.source.Explain)
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.Step()
	r.Picked(info.Ctx, c.name, c.address)
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
	if r.Rescuable && !c.Eligible() && !p.Open {
		c.owner.PickedLate()
	}
	return balancer.PickResult{SubConn: c.sc, Done: func(end balancer.DoneInfo) {
		among.remove(r)
		done(end)
		r.Done(end, c.deniesToken(end.Err, end.BytesReceived))
	}}, nil
}

// choose gives the connection for the next attempt of a call, and what has to be
// done when it ends. A call that is made again is no trial: it has suffered enough.
func (p *Picker) choose(r *attempt.Record) (*Conn, func(balancer.DoneInfo)) {
	if r.Fresh() {
		if c := p.trial(); c != nil {
			return c, c.trialDone
		}
	}
	c := p.next()
	if c == nil {
		return nil, nil
	}
	if !r.Fresh() && r.Tried(c.name) {
		c = p.untried(r, c)
		if c.doubted.Load() && r.Tried(c.name) {
			return nil, nil // who is the active will be known soon
		}
	}
	return c, c.done
}

// trial gives the connection of an endpoint that waits for a call to try it, nil
// if there is none, as mostly.
func (p *Picker) trial() *Conn {
	for _, c := range p.Trials {
		if c.trial.Load() && c.trial.CompareAndSwap(true, false) {
			return c
		}
	}
	return nil
}

// take takes the next turn: it gives a connection, and its place. What can be
// loaded before the atomic step is, since that holds up every load behind it.
func (p *Picker) take() (*Conn, int) {
	flat, n := p.conns.flat, uint32(p.conns.n)
	i := int(p.room.turn.Add(1) % n)
	if i < len(flat) {
		return flat[i], i
	}
	return p.conns.At(i), i
}

// next takes the next turn that goes to one who is eligible. It gives nil if the
// snapshot is out of date so far that nobody in it is any more; the next one is on
// its way then. Pick does the same for itself, which saves a call.
func (p *Picker) next() *Conn {
	c, i := p.take()
	if c.Eligible() || p.Open {
		return c
	}
	return p.after(i)
}

// untried gives an eligible connection of an endpoint that the call has not
// tried, otherwise if there is none.
func (p *Picker) untried(r *attempt.Record, otherwise *Conn) *Conn {
	turn := p.room.turn.Load()
	spare := RowOf(p.Spare)
	for _, conns := range []*Row{&p.conns, &spare} {
		for i := range conns.n {
			c := conns.At(int((turn + uint32(i)) % uint32(conns.n)))
			if c.Eligible() && !r.Tried(c.name) {
				return c
			}
		}
	}
	return otherwise
}

// after gives the next eligible connection behind i, one in another zone if
// there is none, and nil if there is none there either.
func (p *Picker) after(i int) *Conn {
	for range p.conns.n - 1 {
		if i++; i == p.conns.n {
			i = 0
		}
		if c := p.conns.At(i); c.Eligible() {
			return c
		}
	}
	for _, c := range p.Spare {
		if c.Eligible() {
			return c
		}
	}
	return nil
}
