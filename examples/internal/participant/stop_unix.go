//go:build unix

package participant

import (
	"syscall"

	"github.com/cantonlb/cantonlb/examples/internal/child"
)

// CanStop reports whether a process can be stopped on this system.
const CanStop = true

func stopProcess(p *child.Process) error   { return p.Signal(syscall.SIGSTOP) }
func resumeProcess(p *child.Process) error { return p.Signal(syscall.SIGCONT) }
