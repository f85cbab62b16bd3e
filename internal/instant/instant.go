// Package instant counts the time since a moment, also while the machine is suspended.
//
// # Why
//
// Some periods are counted by a server as well, such as the one in which it recognises a
// command that it has executed. While this machine is suspended Go's monotonic clock stands
// still, and the server's does not; the wall clock may be put back. To act when such a
// period is over could execute a command twice.
package instant

import "time"

// Instant is a moment.
type Instant struct{ monotonic, wall time.Time }

// Of returns a time as an Instant.
func Of(t time.Time) Instant { return Instant{monotonic: t, wall: t.Round(0)} }

// Elapsed returns how much time has passed until now, by the clock by which it is more.
func (i Instant) Elapsed(now time.Time) time.Duration {
	return max(now.Sub(i.monotonic), now.Round(0).Sub(i.wall))
}
