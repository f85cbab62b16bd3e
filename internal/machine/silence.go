package machine

import "time"

// Silence notices that calls are in flight on a connection on which nothing is
// heard any more. It is a pure state machine, fed with samples: the calls
// themselves only count, and never look at a clock.
type Silence struct {
	Heard uint64        // answers so far, at the last sample
	Since time.Time     // the last sample at which all was well
	limit time.Duration // how long it may last now
}

// SilenceSample is what there is to see of a connection at one time.
type SilenceSample struct {
	At       time.Time
	Heard    uint64
	InFlight uint64
}

// Next tells whether there is reason to doubt the endpoint, and so to probe it
// at once. Silence alone proves nothing: streams may be quiet and calls long. So
// each doubt that a probe has to clear doubles the patience, from base up to
// most, until a call is answered.
func (q Silence) Next(s SilenceSample, base, most time.Duration) (Silence, bool) {
	switch {
	case q.limit == 0 || s.Heard != q.Heard:
		return Silence{Heard: s.Heard, Since: s.At, limit: base}, false
	case s.InFlight == 0:
		q.Since = s.At
		return q, false
	case s.At.Sub(q.Since) < q.limit:
		return q, false
	default:
		return Silence{Heard: q.Heard, Since: s.At, limit: max(base, min(2*q.limit, most))}, true
	}
}
