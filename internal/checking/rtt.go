package checking

import "time"

// The bounds of the automatic deadline of a probe.
const (
	MinAutoTimeout = 300 * time.Millisecond
	MaxAutoTimeout = time.Second
)

// maxSample keeps the arithmetic of RTT far from overflow.
const maxSample = time.Minute

// RTT estimates the round trip time of one endpoint as in RFC 6298, and derives the
// deadline of its probes. A distant endpoint is not taken for dead, and a near one
// that hangs is detected fast. The zero value is ready to use, without an estimate.
// RTT is a plain value, not safe for concurrent use.
type RTT struct {
	smoothed, deviation time.Duration
	sampled             bool
	doublings           uint8
}

// Observe adds the round trip time of one answer. Times below zero count as zero,
// and times above a minute as a minute.
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

// TimedOut doubles the Deadline, up to MaxAutoTimeout, until the next Observe. A
// probe that timed out has no round trip time to observe. Without TimedOut, an
// endpoint whose round trip has grown beyond the Deadline would be taken for dead
// for ever.
func (r *RTT) TimedOut() {
	if r.Deadline() < MaxAutoTimeout {
		r.doublings++
	}
}

// roundTrips is how many smoothed round trips a deadline leaves at least: enough for
// the retransmission of a lost packet.
const roundTrips = 3

// Deadline returns the smoothed round trip time plus four deviations, or three smoothed
// round trips if that is more, at least MinAutoTimeout and at most MaxAutoTimeout.
// Before the first Observe it is MaxAutoTimeout.
func (r *RTT) Deadline() time.Duration {
	if !r.sampled {
		return MaxAutoTimeout
	}
	d := max(r.smoothed+4*r.deviation, roundTrips*r.smoothed, MinAutoTimeout)
	return min(d<<r.doublings, MaxAutoTimeout)
}
