package lease

import "time"

// Clock reads a clock, as the time since an arbitrary moment that is the same for
// all readings in the process. It never goes back. It is safe for concurrent use.
type Clock func() time.Duration

var began = time.Now()

// Monotonic is Go's monotonic clock. On most systems it stops while the machine
// sleeps. In a bubble of testing/synctest it is the bubble's.
func Monotonic() time.Duration { return time.Since(began) }
