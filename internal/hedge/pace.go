package hedge

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// An endpoint is slow if more than half of its recent calls took slowFactor times as
// long as the faster calls of their method, and well again if less than a quarter did.
const (
	slowFactor  = 3
	turnsSlow   = 0.5
	turnsWell   = 0.25
	paceWeight  = 1.0 / 16 // of the newest call
	negligible  = 0.001
	maxPaces    = 10_000 // endpoints, which is as many as a list may have
	paceIsStale = 2 * time.Minute
)

// pace is how fast one endpoint is, compared with the others.
type pace struct {
	late atomic.Uint64 // the bits of the share of its recent calls that were late
	slow atomic.Bool
	seen atomic.Int64 // about when it last ended a call
}

// note takes a call into account.
func (p *pace) note(late bool, now time.Duration) {
	if now-time.Duration(p.seen.Load()) >= paceIsStale/2 {
		p.seen.Store(int64(now))
	}
	was := p.late.Load()
	if was == 0 && !late {
		return // the usual case, which writes nothing
	}
	share := math.Float64frombits(was) * (1 - paceWeight)
	if share < negligible {
		share = 0
	}
	if late {
		share += paceWeight
	}
	p.late.CompareAndSwap(was, math.Float64bits(share)) // one of two that end together is enough
	switch slow := p.slow.Load(); {
	case !slow && share > turnsSlow:
		p.slow.Store(true)
	case slow && share < turnsWell:
		p.slow.Store(false)
	}
}

// paces are the paces of all endpoints.
type paces struct {
	byName sync.Map // string -> *pace
	count  atomic.Int64
	// few is whether at most half of the endpoints are slow. If more are, none is:
	// then calls take that long.
	few atomic.Bool
}

func (p *paces) of(endpoint string) *pace {
	if known, ok := p.byName.Load(endpoint); ok {
		return known.(*pace) //nolint:forcetypeassert // there is no other type
	}
	if p.count.Load() >= maxPaces {
		p.byName.Clear()
		p.count.Store(0)
	}
	known, loaded := p.byName.LoadOrStore(endpoint, new(pace))
	if !loaded {
		p.count.Add(1)
	}
	return known.(*pace) //nolint:forcetypeassert // there is no other type
}

// well reports whether the durations of an endpoint's calls are representative.
func (p *paces) well(of *pace) bool { return !of.slow.Load() || !p.few.Load() }

// compare updates few.
func (p *paces) compare(now time.Duration) {
	slow, all := 0, 0
	p.byName.Range(func(name, value any) bool {
		e := value.(*pace) //nolint:forcetypeassert // there is no other type
		switch {
		case now-time.Duration(e.seen.Load()) > paceIsStale:
			p.byName.Delete(name)
			p.count.Add(-1)
		case e.slow.Load():
			slow++
			fallthrough
		default:
			all++
		}
		return true
	})
	p.few.Store(2*slow <= all)
}
