package endpointset

import "time"

// silence notices that calls are in flight on a connection on which nothing is
// heard any more. It is a pure state machine, fed with samples: the calls
// themselves only count, and never look at a clock.
type silence struct {
	heard uint64        // answers so far, at the last sample
	since time.Time     // the last sample at which all was well
	limit time.Duration // how long it may last now
}

// silenceSample is what there is to see of a connection at one time.
type silenceSample struct {
	at       time.Time
	heard    uint64
	inFlight uint64
}

// next tells whether there is reason to doubt the endpoint, and so to probe it
// at once. Silence alone proves nothing: streams may be quiet and calls long. So
// each doubt that a probe has to clear doubles the patience, from base up to
// most, until a call is answered.
func (q silence) next(s silenceSample, base, most time.Duration) (silence, bool) {
	switch {
	case q.limit == 0 || s.heard != q.heard:
		return silence{heard: s.heard, since: s.at, limit: base}, false
	case s.inFlight == 0:
		q.since = s.at
		return q, false
	case s.at.Sub(q.since) < q.limit:
		return q, false
	default:
		return silence{heard: q.heard, since: s.at, limit: max(base, min(2*q.limit, most))}, true
	}
}
