package pick

import (
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// clearlyLess is how much less a connection must cost to be preferred to the one that
// was drawn first. Without it, a difference of latency that means nothing would decide
// every pick, and the last of three equal endpoints would get no calls.
const clearlyLess = 0.8

// least draws two connections at random and returns the eligible one that costs less:
// the calls in flight on it, and this one, times its latency. It returns nil as next
// does.
func (p *Picker) least(now time.Duration) *Conn {
	p.room.turn.Add(1) // shows that calls are made
	n := uint32(p.conns.n)
	draw := rand.Uint64()
	i := uint32(draw >> 32 * uint64(n) >> 32)
	a := p.conns.At(int(i))
	if n == 1 {
		return p.orAfter(a, int(i))
	}
	j := uint32(draw & (1<<32 - 1) * uint64(n-1) >> 32)
	if j >= i {
		j++
	}
	b := p.conns.At(int(j))
	switch {
	case a == b || !p.may(b):
		return p.orAfter(a, int(i))
	case !p.may(a):
		return b
	case p.prefers(b, a, p.share(int(j)), p.share(int(i)), now):
		return b
	default:
		return a
	}
}

// now returns the time by the clock of the Room if the picker needs it. A pick reads
// the clock once.
func (p *Picker) now() time.Duration {
	if !p.Least {
		return 0
	}
	return p.room.now()
}

// orAfter returns the connection at index i if it is eligible, and otherwise the next
// one that is.
func (p *Picker) orAfter(c *Conn, i int) *Conn {
	if p.may(c) {
		return c
	}
	return p.from(i + 1)
}

// share returns the weight of the connection at index i, divided by the mean weight.
func (p *Picker) share(i int) float64 {
	if p.shares == nil {
		return 1
	}
	return float64(p.shares[i])
}

// prefers reports whether b is to be picked rather than a, which was drawn first.
func (p *Picker) prefers(b, a *Conn, shareB, shareA float64, now time.Duration) bool {
	if slowStart := time.Duration(p.room.slowStart.Load()); slowStart > 0 {
		rampA, rampB := a.load.ramp(now, slowStart), b.load.ramp(now, slowStart)
		switch {
		case rampA < rampB && rand.Float64()*rampB >= rampA:
			return true
		case rampB < rampA && rand.Float64()*rampA >= rampB:
			return false
		}
	}
	inFlightA, inFlightB := a.inFlight(), b.inFlight()
	latencyA, latencyB := a.load.latency(now, inFlightA > 0), b.load.latency(now, inFlightB > 0)
	if latencyA == 0 || latencyB == 0 { // one that is not known is assumed to be equal
		latencyA, latencyB = 1, 1
	}
	costA := latencyA * a.load.dearer(now) * (inFlightA/shareA + 1)
	costB := latencyB * b.load.dearer(now) * (inFlightB/shareB + 1)
	return costB < clearlyLess*costA
}

// leastUntried returns the better of two eligible connections of endpoints that the
// call has not tried, or nil if there is none.
func (p *Picker) leastUntried(r *attempt.Record, conns *Row, now time.Duration) *Conn {
	var first *Conn
	start := 0
	if conns.n > 0 {
		start = rand.IntN(conns.n)
	}
	for i := range conns.n {
		c := conns.At((start + i) % conns.n)
		switch {
		case c == first || !p.may(c) || r.Tried(c.name):
		case first == nil:
			first = c
		case p.prefers(c, first, 1, 1, now):
			return c
		default:
			return first
		}
	}
	return first
}
