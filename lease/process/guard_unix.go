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

// guardKey in the environment has a process be a guard.
const guardKey = "CANTONLB_LEASE_GUARD"

// The pipes of a guard, after its standard ones.
const (
	commandsFd = 3 // "until READING" and "signal NUMBER" from the supervisor
	reportsFd  = 4 // "started PID", "failed WHY" and "exited HOW" to it
)

// look is how often a guard looks at its clock at least: timers may stand still where
// that goes on.
const look = 50 * time.Millisecond

// Guard is the guard of a program if this process was started as one by Run, and does
// not return then. It must come before anything else that the program does.
func Guard() {
	if os.Getenv(guardKey) == "" {
		return
	}
	_ = os.Unsetenv(guardKey) // it is no matter of the program's
	os.Exit(guard(os.Args[1:]))
}

func guard(command []string) int {
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
	pid, exited, err := start(command)
	if err != nil {
		_, _ = fmt.Fprintf(reports, "failed %q\n", err.Error())
		return 1
	}
	_, _ = fmt.Fprintf(reports, "started %d\n", pid) // a supervisor that is gone ends the pipe below
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for lines.Scan() {
			take(lines.Text(), &until, pid)
		}
	}()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case how := <-exited:
			killAll(pid)
			_, _ = fmt.Fprintf(reports, "exited %s\n", how)
			return 0
		case <-gone:
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it may be gone; exited says
			gone = nil
		case <-tick.C:
			if lease.System() >= time.Duration(until.Load()) {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
			}
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

// start starts the program in a process group of its own, from a thread that stays.
func start(command []string) (pid int, exited <-chan string, err error) {
	c := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // what the user wants; the guard ends it
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
		return 0, nil, err
	}
	return c.Process.Pid, result, nil
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
