//go:build unix && !linux

package proctest

import "syscall"

func signalOrphan(*syscall.SysProcAttr, syscall.Signal) {}
