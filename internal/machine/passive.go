package machine

import "time"

// Passive paces the doubts about an endpoint whose probes deny what its calls say. It
// is a pure state machine.
type Passive struct {
	last  time.Time // when it was last doubted
	pause time.Duration
}

// Next tells whether there is reason to doubt the endpoint now. Each doubt that a
// probe has to clear doubles the pause to the next, from base up to most, so that
// calls do not multiply the probes; when for long there has been none, it starts
// afresh.
func (p Passive) Next(now time.Time, base, most time.Duration) (Passive, bool) {
	since := now.Sub(p.last)
	switch {
	case p.pause == 0 || since > 2*most:
		return Passive{last: now, pause: base}, true
	case since < p.pause:
		return p, false
	default:
		return Passive{last: now, pause: min(2*p.pause, most)}, true
	}
}
