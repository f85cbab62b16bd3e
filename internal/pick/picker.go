package pick

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/turns"
)

// Source answers pickers about their set. Its methods may lock.
type Source interface {
	// Explain returns why no endpoint may be picked.
	Explain() error
	// Stale reports whether a newer snapshot is about to be published, or could be.
	Stale() bool
	// StreamEnded reports that a stream has ended for which calls may wait. A snapshot
	// must follow.
	StreamEnded()
}

// Room is what the snapshots of one set share. It outlives them.
type Room struct {
	_ [cacheLine]byte
	// turn counts the picks. It has a cache line of its own. The snapshots share it,
	// so that a change of the set neither restarts the rotation nor favours the first
	// endpoint.
	turn atomic.Uint32
	_    [cacheLine]byte

	source     Source
	opened     time.Time     // where the clock of the room begins
	pace       pace          // how fast calls are answered
	limited    atomic.Bool   // a connection has a limit of streams, or had one
	waiting    atomic.Bool   // calls may wait for a stream
	beat       beat          // whether this process runs
	ejectAfter atomic.Uint32 // how many calls in a row must fail for an ejection
	slowStart  atomic.Int64  // how long the calls of a new connection grow, in nanoseconds
}

// NewRoom returns a Room. The turn starts at a random number: otherwise the first
// calls of all clients would go to the same server.
func NewRoom(source Source) *Room {
	r := &Room{source: source, opened: time.Now().Add(-1)} // the clock never reads 0
	r.turn.Store(rand.Uint32())
	return r
}

// EjectAfter sets how many calls in a row must fail for an ejection.
func (r *Room) EjectAfter(failures int) { r.ejectAfter.Store(uint32(failures)) }

// SlowStart sets how long it takes until a connection that has become eligible gets as
// many calls as the others, where the least loaded one is picked.
func (r *Room) SlowStart(d time.Duration) { r.slowStart.Store(int64(d)) }

// Turn returns the number of picks, modulo 2^32, plus a random start.
func (r *Room) Turn() uint32 { return r.turn.Load() }

// SetTurn sets the turn, for tests.
func (r *Room) SetTurn(n uint32) { r.turn.Store(n) }

// Picker is an immutable snapshot of the connections that may be picked. A pick takes
// no lock and allocates nothing: it increments the turn, indexes once, and increments
// the connection's counter, which also shows whether the connection is still
// eligible.
type Picker struct {
	room *Room
	// conns are the connections to pick in turn. A connection is in it several times
	// if weights differ.
	conns      Row
	reciprocal uint64 // of the number of conns
	// shares are the weights of conns, each divided by the mean weight, if the least
	// loaded is picked; nil if all are equal.
	shares []float32
	// plain is whether a call without a record needs nothing but its turn.
	plain bool
	// limited is whether a connection may have a limit of streams.
	limited bool
	Snapshot
}

// Snapshot is what a Picker is made of besides the connections that it picks in turn.
// Its contents must not change after NewPicker.
type Snapshot struct {
	// Spare are eligible connections in other zones, for a call that has tried all of
	// the others or finds none of them eligible.
	Spare []*Conn
	// Trials are the connections of endpoints that one call may try; usually none.
	Trials []*Conn
	// Open makes the picker use connections whatever their health, since no endpoint
	// is eligible.
	Open bool
	// Least makes the picker draw two connections at random and pick the one with the
	// lower load, instead of picking in turn.
	Least bool
}

// NewPicker returns the picker of at least one connection. weights are the weights of
// conns, each above 0; nil if all are equal. It may take milliseconds if there are
// many connections and their weights differ much.
func NewPicker(room *Room, conns Row, weights []int, s Snapshot) *Picker {
	p := &Picker{room: room, conns: conns, limited: room.limited.Load(), Snapshot: s}
	p.plain = s.Trials == nil && !s.Least && !p.limited
	if weights != nil {
		p.plan(weights)
	}
	p.reciprocal = reciprocal(p.conns.n)
	return p
}

// plan replaces conns by the order of their turns.
func (p *Picker) plan(weights []int) {
	order := turns.Plan(weights)
	planned := make([]*Conn, len(order))
	for i, j := range order {
		planned[i] = p.conns.At(j)
	}
	p.conns = RowOf(planned)
	if p.Least {
		p.shares = make([]float32, len(order))
		for i, j := range order {
			p.shares[i] = float32(weights[j]) * float32(len(weights)) / sum(weights)
		}
	}
}

func sum(weights []int) (total float32) {
	for _, w := range weights {
		total += float32(w)
	}
	return total
}

// Conns returns the connections in the order of their turns.
func (p *Picker) Conns() []*Conn { return p.conns.Slice() }

// Pick implements balancer.Picker.
func (p *Picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if attempt.Carried() || !p.plain {
		return p.pickHeeding(info)
	}
	c, i := p.take()
	if !c.Step() && !p.Open {
		return p.pickAfter(info, c, i)
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, false)}, nil
}

// pickHeeding picks if the call may have a record of its attempts, if the least loaded
// connection is picked, if an endpoint may be on trial, or if a connection may have a
// limit of streams.
func (p *Picker) pickHeeding(info balancer.PickInfo) (balancer.PickResult, error) {
	if r := attempt.From(info.Ctx); r != nil {
		return p.pickNoting(info, r)
	}
	if p.plain {
		c := p.next(0)
		if c == nil {
			return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
		}
		c.Step()
		return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, false)}, nil
	}
	now := p.now()
	c, trial := p.enterFor(nil, now)
	if c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	if p.Least && !trial {
		return balancer.PickResult{SubConn: c.sc, Done: p.begin(c, nil, info.Ctx, now).done}, nil
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, trial)}, nil
}

// pickAfter picks in place of c, at index i, which is no longer eligible.
func (p *Picker) pickAfter(info balancer.PickInfo, c *Conn, i int) (balancer.PickResult, error) {
	c.StepBack()
	if c = p.enter(func() *Conn { return p.from(i + 1) }); c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, false)}, nil
}

// errNoOther ends a hedge for which there is no endpoint that the call has not tried, or
// no budget.
var errNoOther = status.Error(codes.Unavailable, "no other endpoint for a hedge")

// IsNoOther reports whether an attempt's error is the picker's report that there is no
// endpoint, or no budget, for a hedge.
func IsNoOther(err error) bool { return errors.Is(err, errNoOther) }

// errSpent ends a call that has used all its attempts. It is a status error so that
// grpc's own retries end as well.
var errSpent = status.Error(codes.Unavailable, "the call has had all its attempts")

// IsSpent reports whether a call's error is the picker's report that it has used all
// its attempts.
func IsSpent(err error) bool { return errors.Is(err, errSpent) }

// pickNoting picks for a call with a record of its attempts: it does not return an
// endpoint that the call has tried while there is another.
func (p *Picker) pickNoting(info balancer.PickInfo, r *attempt.Record) (balancer.PickResult, error) {
	switch r.MayTry() {
	case attempt.Spent:
		return balancer.PickResult{}, errSpent
	case attempt.CalledOff: // its context is about to end
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
	}
	now := p.room.now()
	c, trial := p.enterFor(r, now)
	if c == nil {
		return balancer.PickResult{}, p.refuse(r)
	}
	if !r.Picked(info.Ctx, c.name, c.address) {
		c.giveBack()
		return balancer.PickResult{}, errNoOther
	}
	made := p.begin(c, r, info.Ctx, now)
	made.trial = trial
	switch {
	case r.Rescuable:
		c.rescuable.add(made)
		if !c.Eligible() && !p.Open {
			c.owner.PickedLate()
		}
	case r.Movable:
		c.movable.add(made)
	}
	return balancer.PickResult{SubConn: c.sc, Done: made.done}, nil
}

// refuse records that there is no endpoint for the call, and returns the error that
// makes it wait. A hedge does not wait.
func (p *Picker) refuse(r *attempt.Record) error {
	if r.IsHedge() {
		return errNoOther
	}
	r.Refused(p.explain)
	return balancer.ErrNoSubConnAvailable
}

// giveBack undoes the count of a call that is not sent after all.
func (c *Conn) giveBack() {
	c.StepBack()
	if c.limited() {
		c.room.freed()
	}
}

// begin returns the call that is sent to the connection.
func (p *Picker) begin(c *Conn, r *attempt.Record, ctx context.Context, now time.Duration) *tracked {
	k := p.room.newCall(ctx, now)
	k.load, k.unary, k.stream = p.Least, r != nil && !r.Stream, r != nil && r.Stream
	c.pace.begin(now)
	return inFlight(c, r, k)
}

// choose returns the connection for the next attempt of a call, and whether the call
// tries the endpoint. A call that is retried is not used as a trial. r is nil if the
// call has no record.
func (p *Picker) choose(r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	if r == nil || r.Fresh() {
		if c := p.trial(); c != nil {
			return c, true
		}
	}
	if c = p.next(now); c == nil {
		return nil, false
	}
	if r != nil && !r.Fresh() && r.Tried(c.name) {
		c = p.untried(r, c, now)
		if (r.IsHedge() || c.doubted.Load()) && r.Tried(c.name) {
			return nil, false // or the active endpoint will be known soon
		}
	}
	return c, false
}

// trial returns the connection of an endpoint that waits for a call to try it; nil if
// there is none, as usual.
func (p *Picker) trial() *Conn {
	for _, c := range p.Trials {
		if c.trial.Load() && c.hasRoom(c.admitted.Load()) && c.trial.CompareAndSwap(true, false) {
			return c
		}
	}
	return nil
}

// take takes the next turn and returns a connection and its index. What can be loaded
// before the atomic operation is loaded first, since that delays every later load.
func (p *Picker) take() (*Conn, int) {
	flat, n, r := p.conns.flat, p.conns.n, p.reciprocal
	i := remainder(p.room.turn.Add(1), n, r)
	if i < len(flat) {
		return flat[i], i
	}
	return p.conns.At(i), i
}

// may reports whether the connection may be picked and has a stream left.
func (p *Picker) may(c *Conn) bool {
	n := c.admitted.Load()
	return (n >= eligibleBit || p.Open) && c.hasRoom(n)
}

// next takes turns until one goes to a connection that may be picked. It returns nil if
// none has a stream left, or if the snapshot is so far out of date that none in it is
// eligible; the next snapshot is then about to be published. Pick does the same itself,
// which saves a call.
func (p *Picker) next(now time.Duration) *Conn {
	if p.Least {
		return p.least(now)
	}
	c, i := p.take()
	if p.may(c) {
		return c
	}
	return p.from(i + 1)
}

// untried returns an eligible connection of an endpoint that the call has not tried,
// or otherwise one that it has tried.
func (p *Picker) untried(r *attempt.Record, otherwise *Conn, now time.Duration) *Conn {
	turn := p.room.turn.Load()
	spare := RowOf(p.Spare)
	for _, conns := range []*Row{&p.conns, &spare} {
		if p.Least {
			if c := p.leastUntried(r, conns, now); c != nil {
				return c
			}
			continue
		}
		for i := range conns.n {
			c := conns.At(int((turn + uint32(i)) % uint32(conns.n)))
			if p.may(c) && !r.Tried(c.name) {
				return c
			}
		}
	}
	return otherwise
}

// from returns the first connection from index i on that may be picked, or one in
// another zone if there is none, or nil if there is none there either.
func (p *Picker) from(i int) *Conn {
	for range p.conns.n {
		if i >= p.conns.n {
			i = 0
		}
		if c := p.conns.At(i); p.may(c) {
			return c
		}
		i++
	}
	for _, c := range p.Spare {
		if p.may(c) {
			return c
		}
	}
	return nil
}
