//go:build unix

package proctest

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Program is a program that runs beside a test, such as the server of a store.
type Program struct {
	pid   int
	ended chan struct{}
}

// StartProgram starts a program in a process group of its own. On Linux it gets the
// signal orphaned if the test's process ends before it. The caller ends it by End.
func StartProgram(c *exec.Cmd, orphaned syscall.Signal) (*Program, error) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = new(syscall.SysProcAttr)
	}
	c.SysProcAttr.Setpgid = true
	signalOrphan(c.SysProcAttr, orphaned)
	p := &Program{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the signal when the thread ends that has started the
		// program. So that thread stays until the program has ended.
		runtime.LockOSThread()
		defer close(p.ended)
		err := c.Start()
		if err == nil {
			p.pid = c.Process.Pid
		}
		started <- err
		if err == nil {
			_ = c.Wait() // how it ends is up to the test
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("proctest: %s: %w", c.Path, err)
	}
	return p, nil
}

// End sends the program a signal and waits until it has ended. If it has not within a
// minute, its process group gets SIGKILL. A nil Program has ended.
func (p *Program) End(signal syscall.Signal) {
	if p == nil {
		return
	}
	_ = syscall.Kill(p.pid, signal) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.ended
	}
}

// FreePort returns a TCP port of a host that no program uses.
func FreePort(t testing.TB, host string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has one
}
