package endpointset

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc/balancer"

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
// takes no lock and allocates nothing: one step of the turn, one index, one
// look at whether the connection is still eligible.
type picker struct {
	set   *Set
	conns []*conn
	turn  *turn
	open  bool // pick whatever its health, because nobody is eligible
}

func newPicker(s *Set, conns []*conn) *picker {
	return &picker{set: s, conns: slices.Clone(conns), turn: s.turn}
}

func newOpenPicker(s *Set, conns []*conn) *picker {
	return &picker{set: s, conns: conns, turn: s.turn, open: true}
}

// Pick implements balancer.Picker.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	i := int(p.turn.n.Add(1) % uint32(len(p.conns)))
	c := p.conns[i]
	if !c.eligible.Load() && !p.open {
		if c = p.after(i); c == nil {
			// The snapshot is out of date, and the next one is on its way.
			attempt.From(info.Ctx).Refused(p.set.explain)
			return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
		}
	}
	c.picked.Add(1)
	attempt.From(info.Ctx).Picked()
	return balancer.PickResult{SubConn: c.sc, Done: c.done}, nil
}

// after gives the next eligible connection behind i, nil if there is none.
func (p *picker) after(i int) *conn {
	for range len(p.conns) - 1 {
		if i++; i == len(p.conns) {
			i = 0
		}
		if c := p.conns[i]; c.eligible.Load() {
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
