package machine

import "time"

// Silence is the state machine that detects calls in flight on a connection on which
// nothing is received for them any more. Its input is samples: the calls themselves
// only count, and never read a clock.
type Silence struct {
	Since time.Time     // when calls were last heard or none was in flight, or when the server was last asked
	begun uint64        // calls begun at the last sample
	limit time.Duration // how long silence may last before the server is asked
}

// SilenceSample is what a connection shows at one time.
type SilenceSample struct {
	At time.Time
	// Heard is when something was last received for a call.
	Heard time.Time
	// Begun is the number of calls so far, and InFlight that of those in flight.
	Begun, InFlight uint64
}

// Next reports whether the server is to be asked whether it answers. Silence alone
// proves nothing: streams may be quiet and calls long. Each question therefore doubles
// the limit, from base up to most, until something is received or another call begins.
func (q Silence) Next(s SilenceSample, base, most time.Duration) (next Silence, ask bool) {
	another := s.Begun != q.begun
	q.begun = s.Begun
	switch {
	case q.limit == 0, s.InFlight == 0:
		q.Since, q.limit = s.At, base
	case s.Heard.After(q.Since):
		q.Since, q.limit = s.Heard, base
	case another && q.limit > base:
		q.Since, q.limit = s.At, base
	case s.At.Sub(q.Since) >= q.limit:
		q.Since, q.limit = s.At, max(base, min(2*q.limit, most))
		return q, true
	}
	return q, false
}
