package endpointset

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// While an endpoint waits for its next attempt to connect, which may be ten
// seconds away, somebody knocks: a bare TCP connect, about once a second, that
// costs next to nothing. If the door opens, the attempt is made at once. So a
// server that accepts and then fails is tried about once a second, and one that
// hung is found within a second of going on; the growing pauses are for those
// that refuse.
const (
	knockEvery   = time.Second
	knockTimeout = time.Second
)

// pauseOrKnockLocked is the time until the waiting endpoint has something to do.
func (e *endpoint) pauseOrKnockLocked(now time.Time) time.Duration {
	knock := knockEvery + time.Duration(float64(knockEvery)*pauseJitter*(2*rand.Float64()-1))
	return max(0, min(e.nextTry.Sub(now), knock))
}

// wakeLocked does what the waiting endpoint's timer has waited for.
func (e *endpoint) wakeLocked() {
	if now := time.Now(); now.Before(e.nextTry) {
		e.knockLocked()
	} else {
		e.stepLocked(machine.LinkTry, nil)
	}
}

// knockLocked tries the door, without Set.mu.
func (e *endpoint) knockLocked() {
	s := e.set
	address, try := e.want.addrs[0].Addr, e.tries
	e.knocks++
	s.wg.Go(func() {
		opens := s.opens(address)
		s.mu.Lock()
		defer s.unlock()
		e.knocks--
		if s.closed || e.link.Phase != machine.Waiting || e.tries != try {
			return // overtaken by something else
		}
		if opens {
			e.stepLocked(machine.LinkTry, nil)
		} else {
			e.armLocked(e.pauseOrKnockLocked(time.Now()))
		}
	})
}

func (s *Set) opens(address string) bool {
	ctx, cancel := context.WithTimeout(s.ctx, knockTimeout)
	defer cancel()
	return healthcheck.TCPConnect(address, s.build.DialFunc()).Probe(ctx).Outcome == report.Serving
}
