package lease

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME, see clock_gettime(2): monotonic, and it goes on
// while the system is suspended.
const clockBoottime = 7

// System is the clock that goes on while the machine sleeps: CLOCK_BOOTTIME on
// Linux, and Monotonic elsewhere.
func System() time.Duration {
	var now syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&now)), 0) //nolint:gosec // its only use
	if errno != 0 {
		return Monotonic() // a kernel before 2.6.39, or a sandbox; it says so for every reading
	}
	return time.Duration(now.Nano())
}
