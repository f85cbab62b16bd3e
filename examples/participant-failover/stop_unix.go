//go:build unix

package main

import (
	"syscall"

	"github.com/cantonlb/cantonlb/examples/internal/child"
)

const canStop = true

func stopProcess(p *child.Process) error   { return p.Signal(syscall.SIGSTOP) }
func resumeProcess(p *child.Process) error { return p.Signal(syscall.SIGCONT) }
