package hedge

import "time"

// Call is what one call's next hedge depends on. Times are by one monotonic clock.
type Call struct {
	// Max is how many attempts the call may have: first attempts, rescues, retries and
	// hedges together. Sent is how many it has had.
	Max, Sent int
	// Picked is when the endpoint of the newest attempt was picked. InFlight is whether
	// that attempt has not ended.
	Picked   time.Duration
	InFlight bool
	// NotBefore is when the servers allow another attempt, and Refused says that one of
	// them has refused any.
	NotBefore time.Duration
	Refused   bool
}

// Next returns how long to wait for the next hedge, if the delay is known. A call that
// waits for an endpoint, and one whose newest attempt has just failed, is looked at
// again after the delay. ok is false if the call is not hedged any more.
func (c Call) Next(now, delay time.Duration) (wait time.Duration, ok bool) {
	switch {
	case c.Refused || c.Sent >= c.Max:
		return 0, false
	case !c.InFlight:
		return delay, true
	default:
		return max(0, c.Picked+delay-now, c.NotBefore-now), true
	}
}
