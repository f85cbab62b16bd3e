//go:build unix

package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/lease"
)

// guardKey in the environment has a process be a guard, or what becomes the program.
const (
	guardKey  = "CANTONLB_LEASE_GUARD"
	asGuard   = "guard"
	asProgram = "program"
)

// The pipes of a guard, after its standard ones, and the one of what becomes the program.
const (
	commandsFd = 3 // "until READING" and "signal NUMBER" from the supervisor
	reportsFd  = 4 // "started PID", "failed WHY" and "exited HOW" to it
	goFd       = 3 // a byte from the guard
)

// look is how often a guard looks at its clock at least: timers may stand still where
// that goes on.
const look = 50 * time.Millisecond

// Guard is the guard of a program if this process was started as one by Run, and does
// not return then. It must come before anything else that the program does.
func Guard() {
	switch os.Getenv(guardKey) {
	case asGuard:
		os.Exit(beGuard(os.Args[1:])) //nolint:revive // this process is a guard, and no more
	case asProgram:
		os.Exit(become(os.Args[1], os.Args[2:])) //nolint:revive // the same
	default:
	}
}

// become waits until the guard says that the supervisor knows the process group, and
// becomes the program. Otherwise the process group would be unknown to both if they were
// killed at that moment.
func become(path string, command []string) int {
	syscall.CloseOnExec(goFd)
	if n, err := os.NewFile(goFd, "go").Read(make([]byte, 1)); n != 1 || err != nil {
		return 1 // the guard has gone
	}
	_ = os.Unsetenv(guardKey)                        // it is no matter of the program's
	err := syscall.Exec(path, command, os.Environ()) //nolint:gosec // what the user wants
	_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
	return 126 // as shells say it
}

func beGuard(command []string) int {
	// What is not marked so would be the program's, too.
	syscall.CloseOnExec(commandsFd)
	syscall.CloseOnExec(reportsFd)
	commands, reports := os.NewFile(commandsFd, "commands"), os.NewFile(reportsFd, "reports")
	// It ends with the program and its supervisor, and not by a signal to all. They are
	// caught and not ignored, since the program would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	adoptOrphans()

	var until atomic.Int64
	lines := bufio.NewScanner(commands)
	if !lines.Scan() || !take(lines.Text(), &until, 0) {
		return 1 // the supervisor has gone already
	}
	pid, exited, ready, err := start(command)
	if err != nil {
		_, _ = fmt.Fprintf(reports, "failed %q\n", err.Error())
		return 1
	}
	if _, err := fmt.Fprintf(reports, "started %d\n", pid); err != nil { // the pipe has an end below, too
		_ = ready.Close()
		ready = nil
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for lines.Scan() {
			take(lines.Text(), &until, pid)
		}
	}()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for looks := 0; ; {
		select {
		case how := <-exited:
			killAll(pid)
			_, _ = fmt.Fprintf(reports, "exited %s\n", how)
			return 0
		case <-gone:
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it may be gone; exited says
			gone = nil
		case <-tick.C:
			left := time.Duration(until.Load()) - lease.System()
			looks++
			switch {
			case left <= 0 && looks == 1: // a later end may not have been read yet
				left = look
			case left <= 0:
				_ = syscall.Kill(-pid, syscall.SIGKILL)
				left = look
			case ready != nil:
				_, _ = ready.Write([]byte{1}) // if it is gone, exited says so
				_ = ready.Close()
				ready = nil
			}
			tick.Reset(min(left, look))
		}
	}
}

// take does what the supervisor says.
func take(line string, until *atomic.Int64, pid int) bool {
	what, value, _ := strings.Cut(line, " ")
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return false
	}
	switch what {
	case "until":
		until.Store(number)
	case "signal":
		_ = syscall.Kill(-pid, syscall.Signal(number)) // it may be gone
	default:
		return false
	}
	return true
}

// start starts what becomes the program when a byte is written to ready, in a process
// group of its own, from a thread that stays.
func start(command []string) (pid int, exited <-chan string, ready *os.File, err error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return 0, nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, nil, nil, err
	}
	wait, ready, err := os.Pipe()
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = wait.Close() }()                            // the other process has its own
	c := exec.Command(self, append([]string{path}, command...)...) //nolint:gosec,noctx // this program; the guard ends it
	c.Env = append(os.Environ(), guardKey+"="+asProgram)
	c.ExtraFiles = []*os.File{wait}
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.SysProcAttr)
	started, result := make(chan error), make(chan string, 1)
	go func() {
		runtime.LockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait() // the state says it
			result <- how(c.ProcessState)
		}
	}()
	if err := <-started; err != nil {
		return 0, nil, nil, errors.Join(err, ready.Close())
	}
	return c.Process.Pid, result, ready, nil
}

// how is how a process has ended: its exit code, or its signal.
func how(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("signal %d", int(status.Signal()))
	}
	return fmt.Sprintf("code %d", state.ExitCode())
}

// killAll kills what is left of the process group, and whatever has left it and was
// adopted, until there is nothing more.
func killAll(pid int) {
	for {
		err := syscall.Kill(-pid, syscall.SIGKILL)
		adopted := killAdopted()
		if errors.Is(err, syscall.ESRCH) && !adopted {
			return
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // there is no event to wait for; the guard has nothing else to do
	}
}
