//go:build unix

package child

import (
	"os/exec"
	"syscall"
)

// Apart makes a command the first process of a group of its own. Ctrl-C in a terminal is
// sent to all processes of the program's group, and so is not for the command.
func Apart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// InterruptGroup sends the signal of Ctrl-C to the group of a command that is Apart, as a
// terminal does.
func InterruptGroup(c *exec.Cmd) error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }

// CanStop reports whether a process can be stopped on this system.
const CanStop = true

// Stop stops the process (SIGSTOP), as on a machine that swaps; see CanStop.
func (p *Process) Stop() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a process that was stopped continue (SIGCONT).
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }
