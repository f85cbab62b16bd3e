package proctest

import "syscall"

func signalOrphan(a *syscall.SysProcAttr, s syscall.Signal) { a.Pdeathsig = s }
