//go:build unix

package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/lease"
)

// goneLimit is how long a guard may take to report that a process group that was killed is
// gone. Then the guard is killed, and its work is done here.
const goneLimit = 10 * time.Second

// child is a program and its guard.
type child struct {
	guard    *exec.Cmd
	commands *os.File
	ended    chan struct{} // closed when both are gone, after how was set
	how      string        // "code 0", "signal 9", or in words

	mu  sync.Mutex
	pid int // of the program, and its group; 0 before it was started
}

// startChild starts a guard, which starts the program.
func startChild(cfg Config, l lease.Lease) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	commandsRead, commands, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reports, reportsWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, commandsRead.Close(), commands.Close())
	}
	guard := exec.Command(self, cfg.Command...) //nolint:gosec,noctx // this program; it ends with the program
	guard.Env = append(os.Environ(), guardKey+"="+asGuard, EnvName+"="+l.Name, EnvHolder+"="+l.Holder, fmt.Sprintf("%s=%d", EnvToken, l.Token))
	guard.Stdout, guard.Stderr = cfg.Stdout, cfg.Stderr
	guard.ExtraFiles = []*os.File{commandsRead, reportsWrite}
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process alone
	guard.WaitDelay = goneLimit
	err = guard.Start()
	_ = commandsRead.Close()
	_ = reportsWrite.Close()
	if err != nil {
		_ = reports.Close()
		return nil, errors.Join(fmt.Errorf("process: starting the guard: %w", err), commands.Close())
	}
	c := &child{guard: guard, commands: commands, ended: make(chan struct{})}
	c.until(end(l))
	go func() {
		defer close(c.ended)
		c.follow(reports)
	}()
	return c, nil
}

// until sends the guard the time at which the lease ends.
func (c *child) until(end time.Duration) { c.send("until", int64(end)) }

// signal has the guard send a signal to the program's process group.
func (c *child) signal(s syscall.Signal) { c.send("signal", int64(s)) }

// send sends a line to the guard. It does not wait for long: if the guard is stopped, the
// pipe takes 64 KiB and no more.
func (c *child) send(what string, value int64) {
	_ = c.commands.SetWriteDeadline(time.Now().Add(look))
	_, _ = fmt.Fprintf(c.commands, "%s %d\n", what, value) // a guard that is gone is found by follow
}

// kill kills the program's process group, and the guard too if it has not reported that
// within patience, and returns when both are gone.
func (c *child) kill(patience time.Duration) {
	c.mu.Lock()
	if c.pid != 0 {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // it may be gone
	}
	c.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-c.ended:
	case <-late.C:
		killBelow(c.guard.Process.Pid)
		_ = c.guard.Process.Kill() // it may be gone
		<-c.ended
	}
}

// follow reads what the guard reports, until it and the program are gone.
func (c *child) follow(reports io.ReadCloser) {
	c.how = "the guard was killed"
	reported := false
	for lines := bufio.NewScanner(reports); lines.Scan(); {
		what, value, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "started":
			pid, _ := strconv.Atoi(value) // the guard's own words
			c.mu.Lock()
			c.pid = pid
			c.mu.Unlock()
		case "exited":
			c.how, reported = value, true
		case "failed":
			c.how = "it does not start: " + value
		}
	}
	_ = reports.Close()
	_ = c.guard.Wait() // it has said how the program has ended
	_ = c.commands.Close()
	c.mu.Lock()
	pid := c.pid
	c.pid = 0
	c.mu.Unlock()
	if pid == 0 || reported {
		return
	}
	for !gone(pid) { // as long as that takes: the lease is not released before
		time.Sleep(look / 10) //nolint:forbidigo // no event says it
	}
}

// gone kills a process group, and reports whether nothing of it is left.
func gone(group int) bool {
	err := syscall.Kill(-group, syscall.SIGKILL)
	done := errors.Is(err, syscall.ESRCH) || onlyZombies(group)
	// Where this process adopts orphans, as the first one of a container does, what was
	// killed is there until it is reaped.
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-group, &status, syscall.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return done
		}
	}
}
