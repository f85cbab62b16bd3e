//go:build !unix

package child

import (
	"os"
	"os/exec"
)

// Apart does nothing on this system.
func Apart(*exec.Cmd) {}

// InterruptGroup sends the signal of Ctrl-C to the command alone.
func InterruptGroup(c *exec.Cmd) error { return c.Process.Signal(os.Interrupt) }

// CanStop reports whether a process can be stopped on this system.
const CanStop = false

// Stop does nothing on this system.
func (*Process) Stop() error { return nil }

// Resume does nothing on this system.
func (*Process) Resume() error { return nil }
