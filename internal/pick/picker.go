package pick

import (
	"iter"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/turns"
)

// Picker is an immutable snapshot of the connections that may be picked. A pick takes
// no lock and allocates nothing: it increments the turn, indexes once, and increments
// the connection's counter, which also shows whether the connection is still
// eligible. A pick waits if no connection has a stream left; see waiting.go.
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
		mean := sum(weights) / float32(len(weights))
		for i, j := range order {
			p.shares[i] = float32(weights[j]) / mean
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
	flat := p.conns.flat // before the atomic operation: see turn
	i := p.turn()
	var c *Conn
	if i < len(flat) {
		c = flat[i]
	} else {
		c = p.conns.At(i)
	}
	n := c.admitted.Add(1) // Step and doneOf, written out: it saves their calls
	if n < eligibleBit && !p.Open {
		return p.pickAfter(info, c, i)
	}
	if n%timeEvery == 0 || hasDeadline(info.Ctx) {
		return balancer.PickResult{SubConn: c.sc, Done: c.timed(info.Ctx, false)}, nil
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
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
	c, trial := p.enterFor(info.Ctx, nil, now)
	if c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	if p.Least && !trial {
		return balancer.PickResult{SubConn: c.sc, Done: p.begin(info.Ctx, c, nil, now).done}, nil
	}
	return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, trial)}, nil
}

// pickAfter picks in place of c, at index i, which is no longer eligible.
func (p *Picker) pickAfter(info balancer.PickInfo, c *Conn, i int) (balancer.PickResult, error) {
	c.StepBack()
	if c = p.from(i + 1); c == nil {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	c.Step()
	return balancer.PickResult{SubConn: c.sc, Done: c.doneOf(info.Ctx, false)}, nil
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

// turn takes the next turn and returns its index. What can be loaded before the atomic
// operation is loaded first, since that delays every later load.
func (p *Picker) turn() int {
	n, r := p.conns.n, p.reciprocal
	return remainder(p.room.turn.Add(1), n, r)
}

// may reports whether the connection may be picked and has a stream left.
func (p *Picker) may(c *Conn) bool {
	n := c.admitted.Load()
	return (n >= eligibleBit || p.Open) && c.hasRoom(n)
}

// next takes turns until one goes to a connection that may be picked. It returns nil if
// none has a stream left, or if the snapshot is so far out of date that none in it is
// eligible; the next snapshot is then about to be published.
func (p *Picker) next(now time.Duration) *Conn {
	if p.Least {
		return p.least(now)
	}
	return p.from(p.turn())
}

// untried returns an eligible connection of an endpoint that the call has not tried,
// or otherwise one that it has tried and that has not rejected its token: the connection
// otherwise, if that is one. It returns nil if there is none.
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
	if !r.Denied(otherwise.name) {
		return otherwise
	}
	for c := range p.all() {
		if p.may(c) && !r.Denied(c.name) {
			return c
		}
	}
	return nil
}

// all returns the connections, then those in other zones.
func (p *Picker) all() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for i := range p.conns.n {
			if !yield(p.conns.At(i)) {
				return
			}
		}
		for _, c := range p.Spare {
			if !yield(c) {
				return
			}
		}
	}
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
