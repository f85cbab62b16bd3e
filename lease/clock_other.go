//go:build !linux

package lease

import "time"

// System is the clock that goes on while the machine sleeps: CLOCK_BOOTTIME on
// Linux, and Monotonic elsewhere.
func System() time.Duration { return Monotonic() }
