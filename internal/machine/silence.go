package machine

import "time"

// Silence is the state machine that detects calls in flight on a connection that no
// longer receives anything. Its input is samples: the calls themselves only count, and
// never read a clock.
type Silence struct {
	Heard uint64        // number of answers at the last sample
	Since time.Time     // time of the last sample without silence, or of the last doubt
	limit time.Duration // how long silence may last before a doubt
}

// SilenceSample is what a connection shows at one time: the number of answers so far
// and the number of calls in flight.
type SilenceSample struct {
	At       time.Time
	Heard    uint64
	InFlight uint64
}

// Next reports whether to doubt the endpoint, and so to probe it at once. Silence alone
// proves nothing: streams may be quiet and calls long. Each doubt therefore doubles the
// limit, from base up to most, until a call is answered.
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
