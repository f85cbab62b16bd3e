package endpointset

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
	knockEvery   = time.Second
	knockTimeout = time.Second
	// leastRest is the least pause of grpc that is one of these.
	leastRest = minPause / 2
)

// pauseOrKnockLocked returns the time until the waiting endpoint has something to do.
func (e *endpoint) pauseOrKnockLocked(now time.Time) time.Duration {
	knock := knockEvery + time.Duration(float64(knockEvery)*pauseJitter*(2*rand.Float64()-1))
	switch {
	case !e.knockableLocked():
		return max(0, e.nextTry.Sub(now))
	case e.rest > leastRest:
		return max(knock, e.rest)
	}
	return max(0, min(e.nextTry.Sub(now), knock))
}

// wakeLocked does what the waiting endpoint's timer was set for.
func (e *endpoint) wakeLocked() {
	switch {
	case e.restsLocked():
		e.due = true
	case !e.knockableLocked():
		e.stepLocked(machine.LinkTry, nil)
	case e.rest > leastRest || time.Now().Before(e.nextTry):
		e.knockLocked()
	default:
		e.stepLocked(machine.LinkTry, nil)
	}
}

// knockableLocked reports whether the address can be connected to without grpc.
func (e *endpoint) knockableLocked() bool { return !probes.IsPath(e.addrs[0].Addr) }

// mayKnockLocked reports whether a knock besides those of wakeLocked is welcome.
func (e *endpoint) mayKnockLocked() bool {
	return e.link.Phase == machine.Waiting && e.knocks == 0 && e.knockableLocked() && !e.restsLocked() &&
		(e.rest <= leastRest || time.Since(e.knocked) >= e.rest)
}

// knockLocked tries a TCP connect, without the set's lock.
func (e *endpoint) knockLocked() {
	s := e.set
	address, try := e.addrs[0].Addr, e.tries
	e.knocks++
	e.knocked = time.Now()
	s.scope.Go(func() {
		opens := s.opens(address)
		s.scope.Lock()
		defer s.scope.Unlock()
		e.knocks--
		if s.scope.Closed() || e.link.Phase != machine.Waiting || e.tries != try {
			return // overtaken by another change
		}
		if opens || !e.was.Memory.Troubled { // a knock that fails is no evidence, an attempt is
			e.tryLocked()
		} else {
			e.armLocked(e.pauseOrKnockLocked(time.Now()))
		}
	})
}

func (s *Set) opens(address string) bool {
	ctx, cancel := context.WithTimeout(s.scope.Context(), knockTimeout)
	defer cancel()
	return healthcheck.TCPConnect(address, s.build.DialFunc()).Probe(ctx).Outcome == report.Serving
}
