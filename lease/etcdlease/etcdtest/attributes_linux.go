package etcdtest

import "syscall"

// dieWithParent has the process end when the thread that has started it does, and so
// when a test is killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
