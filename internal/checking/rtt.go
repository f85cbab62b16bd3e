package checking

import "time"

// The bounds of the automatic deadline of a probe.
const (
	MinAutoTimeout = 300 * time.Millisecond
	MaxAutoTimeout = time.Second
)

// maxSample keeps the arithmetic of RTT far from overflow.
const maxSample = time.Minute

// RTT estimates the round trip time of one endpoint after RFC 6298, and gives
// the deadline that a probe of it should have: an endpoint an ocean away is not
// called dead, and one near by that hangs is found fast. The zero value is ready
// to use and knows nothing. RTT is a plain value, not safe for concurrent use.
type RTT struct {
	smoothed, deviation time.Duration
	sampled             bool
	doublings           uint8
}

// Observe takes in the round trip time of one answer. Times below zero count as
// zero, times above a minute as a minute.
func (r *RTT) Observe(d time.Duration) {
	d = min(max(d, 0), maxSample)
	r.doublings = 0
	if !r.sampled {
		r.smoothed, r.deviation, r.sampled = d, d/2, true
		return
	}
	r.deviation += ((r.smoothed - d).Abs() - r.deviation) / 4 // beta 1/4, of the old mean
	r.smoothed += (d - r.smoothed) / 8                        // alpha 1/8
}

// TimedOut doubles the Deadline, up to MaxAutoTimeout, until the next Observe.
// A probe that timed out has no round trip time to observe, so without this a
// path that has grown longer than the Deadline would be called dead for ever.
func (r *RTT) TimedOut() {
	if r.Deadline() < MaxAutoTimeout {
		r.doublings++
	}
}

// Deadline is the smoothed round trip time and four deviations, at least
// MinAutoTimeout and at most MaxAutoTimeout; with nothing observed yet it is
// MaxAutoTimeout.
func (r *RTT) Deadline() time.Duration {
	if !r.sampled {
		return MaxAutoTimeout
	}
	d := max(r.smoothed+4*r.deviation, MinAutoTimeout)
	return min(d<<r.doublings, MaxAutoTimeout)
}
