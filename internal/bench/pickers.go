package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
)

func init() { //nolint:gochecknoinits // as grpc asks of a policy
	for name, build := range map[string]func([]balancer.SubConn) balancer.Picker{
		"bench_base":             newBasePicker,
		"bench_random":           func(scs []balancer.SubConn) balancer.Picker { return randomPicker(scs) },
		"bench_striped":          newStripedPicker,
		"bench_accounts":         func(scs []balancer.SubConn) balancer.Picker { return newAccountsPicker(scs, 1) },
		"bench_accounts_striped": func(scs []balancer.SubConn) balancer.Picker { return newAccountsPicker(scs, stripeCount) },
	} {
		balancer.Register(base.NewBalancerBuilder(name, pickerBuilder(build), base.Config{}))
	}
}

// pickerBuilder makes a picker of the ready SubConns.
type pickerBuilder func([]balancer.SubConn) balancer.Picker

// Build implements base.PickerBuilder.
func (build pickerBuilder) Build(info base.PickerBuildInfo) balancer.Picker {
	if len(info.ReadySCs) == 0 {
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	scs := make([]balancer.SubConn, 0, len(info.ReadySCs))
	for sc := range info.ReadySCs {
		scs = append(scs, sc)
	}
	return build(scs)
}

// cacheLine keeps two counters from sharing a line; processors fetch lines in
// pairs.
const cacheLine = 128

type counter struct {
	_ [cacheLine]byte
	n atomic.Uint32
	_ [cacheLine]byte
}

// basePicker is the usual picker of a policy on grpc's base package.
type basePicker struct {
	scs  []balancer.SubConn
	turn *counter
}

func newBasePicker(scs []balancer.SubConn) balancer.Picker {
	return &basePicker{scs: scs, turn: new(counter)}
}

func (p *basePicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p.scs[p.turn.n.Add(1)%uint32(len(p.scs))]}, nil
}

// randomPicker picks at random. It uses the runtime's generator, one for each
// thread.
type randomPicker []balancer.SubConn

func (p randomPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p[rand.IntN(len(p))]}, nil
}

// stripeCount bounds the stripes. stripes assigns each processor its own stripe, as
// far as Go allows that.
const stripeCount = 8

type stripes struct {
	pool sync.Pool
	last atomic.Uint32
}

func newStripes() *stripes {
	s := new(stripes)
	s.pool.New = func() any {
		stripe := int(s.last.Add(1)) % stripeCount
		return &stripe
	}
	return s
}

func (s *stripes) mine() int {
	stripe, _ := s.pool.Get().(*int)
	s.pool.Put(stripe)
	return *stripe
}

// stripedPicker is basePicker with its turn striped.
type stripedPicker struct {
	scs     []balancer.SubConn
	stripes *stripes
	turns   [stripeCount]counter
}

func newStripedPicker(scs []balancer.SubConn) balancer.Picker {
	p := &stripedPicker{scs: scs, stripes: newStripes()}
	for i := range p.turns {
		p.turns[i].n.Store(rand.Uint32())
	}
	return p
}

func (p *stripedPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p.scs[p.turns[p.stripes.mine()].n.Add(1)%uint32(len(p.scs))]}, nil
}

// accountsPicker is basePicker with counters of the calls: two for each SubConn,
// one incremented by the pick and one by its Done. All counters are striped if
// there is more than one stripe.
type accountsPicker struct {
	stripes *stripes // nil: all share one
	turns   []counter
	conns   [][]*account // by stripe
}

type account struct {
	sc   balancer.SubConn
	done func(balancer.DoneInfo)
	_    [cacheLine]byte

	picked, heard atomic.Uint64
	_             [cacheLine]byte
}

func newAccountsPicker(scs []balancer.SubConn, n int) balancer.Picker {
	p := &accountsPicker{turns: make([]counter, n), conns: make([][]*account, n)}
	if n > 1 {
		p.stripes = newStripes()
	}
	for i := range n {
		p.turns[i].n.Store(rand.Uint32())
		for _, sc := range scs {
			a := &account{sc: sc}
			a.done = func(info balancer.DoneInfo) {
				if info.BytesReceived {
					a.heard.Add(1)
				}
			}
			p.conns[i] = append(p.conns[i], a)
		}
	}
	return p
}

func (p *accountsPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	stripe := 0
	if p.stripes != nil {
		stripe = p.stripes.mine()
	}
	conns := p.conns[stripe]
	a := conns[p.turns[stripe].n.Add(1)%uint32(len(conns))]
	a.picked.Add(1)
	return balancer.PickResult{SubConn: a.sc, Done: a.done}, nil
}
