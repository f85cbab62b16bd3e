package machine

import "time"

// Passive is the state machine that paces the doubts about an endpoint whose calls fail
// although its probes pass.
type Passive struct {
	last  time.Time     // time of the last doubt
	pause time.Duration // least time to the next doubt
}

// Next reports whether the endpoint is to be doubted now. Each doubt makes a probe due
// and doubles the pause to the next, from base up to most, so that failing calls do
// not multiply the probes. After more than twice most without a doubt the pause is base
// again.
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
