package jsonapi

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
)

// samplesPerSilence is how often the endpoints are looked at in the time that a silence
// may last, and minSample the least time between two looks.
const (
	samplesPerSilence = 4
	minSample         = 10 * time.Millisecond
)

// watch looks for endpoints that have requests in flight and are silent. A silence is a
// reason to probe; only an endpoint whose probes fail too is given up.
func (p *pool) watch() {
	ticker := time.NewTicker(max(p.cfg.health.Silence/samplesPerSilence, minSample))
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-ticker.C:
			for _, e := range p.look(now) {
				e.checker.ProbeNow()
			}
		}
	}
}

// look returns the endpoints to ask, and ends the requests on those that are dead.
func (p *pool) look(now time.Time) (asked []*endpoint) {
	p.mu.Lock()
	defer p.unlock()
	for _, e := range p.allLocked() {
		waiting := e.sampleLocked(now)
		var ask bool
		e.silence, ask = e.silence.Next(machine.SilenceSample{
			At: now, Heard: e.heardAtLocked(), Begun: e.picked.Load(), InFlight: waiting,
		}, p.cfg.health.Silence, p.cfg.health.Interval)
		if ask && e.was.Class == judge.Eligible && e.checker != nil {
			asked = append(asked, e)
		}
		if e.was.Sick && e.checker != nil && now.Sub(e.heardAtLocked()) >= p.cfg.DeadAfter {
			why := &deadError{endpoint: e.at.Name, reason: e.was.Reason}
			dead := e.flights.list(func(f *flight) bool { return now.Sub(f.silentSinceLocked()) >= p.cfg.DeadAfter })
			p.after = append(p.after, func() {
				for _, f := range dead {
					f.kill(why)
				}
			})
		}
	}
	return asked
}

// sampleLocked notes for which requests something has arrived since the last sample. It
// returns how many are in flight, without those whose connection was upgraded.
func (e *endpoint) sampleLocked(now time.Time) (waiting uint64) {
	if n := e.payload.Load(); n != e.sampled {
		e.sampled, e.payloadAt = n, now
	}
	for _, f := range e.flights.list(func(*flight) bool { return true }) {
		if n := f.payload.Load(); n != f.sampled {
			f.sampled, f.heardAt = n, now
		}
		if !f.upgraded.Load() {
			waiting++
		}
	}
	return waiting
}
