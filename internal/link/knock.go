package link

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/report"
)

// While an endpoint waits for its next attempt to connect, which may be ten seconds
// away, it is knocked on: a bare TCP connect, about once a second, at very little
// cost. If the connect succeeds, the attempt is made at once. So a server that accepts
// connections and then fails is tried about once a second, and a server that hung is
// found within a second of its recovery. The growing pauses apply to servers that
// refuse connections.
//
// A channel may have pauses of grpc's own, which end each attempt: those of
// grpc.WithConnectParams, or grpc's default, which grows to two minutes. Then an attempt
// is made only when a knock has succeeded, so that these pauses do not grow while the
// server is away, and there is no knock during such a pause, nor sooner after the last
// one than it has lasted.
const (
	KnockEvery   = time.Second
	knockTimeout = time.Second
	// leastRest is the least pause of grpc that is one of these.
	leastRest = MinPause / 2
)

// pauseOrKnock returns the time until the waiting link has something to do.
func (l *Link) pauseOrKnock(now time.Time) time.Duration {
	knock := KnockEvery + time.Duration(float64(KnockEvery)*PauseJitter*(2*rand.Float64()-1))
	switch {
	case !l.knockable():
		return max(0, l.nextTry.Sub(now))
	case l.rest > leastRest:
		return max(knock, l.rest)
	}
	return max(0, min(l.nextTry.Sub(now), knock))
}

// wake does what the waiting link's timer was set for.
func (l *Link) wake() {
	switch {
	case l.rests():
		l.due = true
	case !l.knockable():
		l.step(machine.LinkTry, nil)
	case l.rest > leastRest || time.Now().Before(l.nextTry):
		l.knock()
	default:
		l.step(machine.LinkTry, nil)
	}
}

// knockable reports whether the address can be connected to without grpc.
func (l *Link) knockable() bool { return !probes.IsPath(l.addrs[0].Addr) }

// Knock knocks on the endpoint, besides the regular knocks, if the link waits, no knock is
// under way, and grpc does not pause.
func (l *Link) Knock() {
	if l.state.Phase == machine.Waiting && l.knocks == 0 && l.knockable() && !l.rests() &&
		(l.rest <= leastRest || time.Since(l.knocked) >= l.rest) {
		l.knock()
	}
}

// knock tries a TCP connect, without the lock.
func (l *Link) knock() {
	in := l.env.Scope
	address, try := l.addrs[0].Addr, l.tries
	l.knocks++
	l.knocked = time.Now()
	in.Go(func() {
		opens := l.env.opens(address)
		in.Lock()
		defer in.Unlock()
		l.knocks--
		if in.Closed() || l.state.Phase != machine.Waiting || l.tries != try {
			return // overtaken by another change
		}
		if opens || !l.owner.Troubled() { // a knock that fails is no evidence, an attempt is
			l.Try()
		} else {
			l.arm(l.pauseOrKnock(time.Now()))
		}
	})
}

// opens reports whether the address accepts a TCP connection.
func (v *Env) opens(address string) bool {
	ctx, cancel := context.WithTimeout(v.Scope.Context(), knockTimeout)
	defer cancel()
	return healthcheck.TCPConnect(address, v.Dialer()).Probe(ctx).Outcome == report.Serving
}
