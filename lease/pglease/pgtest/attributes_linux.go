package pgtest

import "syscall"

// dieWithParent has the process end when the thread that has started it does, which is
// enough for tests: a process that is left over by a test that was killed is a nuisance.
// PostgreSQL shuts down at once at this signal.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
