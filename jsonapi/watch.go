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
		waiting := len(e.flights.list(func(f *flight) bool { return !f.upgraded.Load() }))
		var ask bool
		e.silence, ask = e.silence.Next(machine.SilenceSample{
			At: now, Heard: e.heardAt(), Begun: e.picked.Load(), InFlight: uint64(waiting),
		}, p.cfg.health.Silence, p.cfg.health.Interval)
		if ask && e.was.Class == judge.Eligible && e.checker != nil {
			asked = append(asked, e)
		}
		if e.was.Sick && e.checker != nil && now.Sub(e.heardAt()) >= p.cfg.DeadAfter {
			why := &deadError{endpoint: e.at.Name, reason: e.was.Reason}
			p.after = append(p.after, func() {
				e.end(why, func(f *flight) bool { return now.Sub(f.silentSince()) >= p.cfg.DeadAfter })
			})
		}
	}
	return asked
}
