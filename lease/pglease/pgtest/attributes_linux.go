package pgtest

import "syscall"

// dieWithParent has the process end when the thread that has started it does, and so
// when a test is killed. PostgreSQL shuts down at once at this signal.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
