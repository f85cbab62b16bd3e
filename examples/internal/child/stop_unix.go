//go:build unix

package child

import "syscall"

// CanStop reports whether a process can be stopped on this system.
const CanStop = true

// Stop stops the process (SIGSTOP), as on a machine that swaps; see CanStop.
func (p *Process) Stop() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a process that was stopped continue (SIGCONT).
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }
