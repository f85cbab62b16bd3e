package child

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"time"
)

// exitLimit is how long a child may take to end when its standard input is closed.
const exitLimit = 2 * time.Second

// Process is a child process. Its methods are safe for concurrent use.
type Process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	ended   chan struct{} // closed when it has ended and all it wrote was read
}

// Start starts this program again with these additions to its environment, each
// "NAME=value". onLine is called with each line of its standard output, one at a
// time, also with those that it wrote before it was killed. Its standard error is
// that of this program.
func Start(environment []string, onLine func(line string)) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self) //nolint:gosec,noctx // this program itself; Close ends it
	command.Env = append(os.Environ(), environment...)
	command.Stderr = os.Stderr
	Apart(command) // Close ends it: Ctrl-C is for this program alone
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Process{command: command, stdin: stdin, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			onLine(lines.Text())
		}
		_ = command.Wait() // how it ended is in command.ProcessState
	}()
	return p, nil
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State returns how the process has ended, or nil before that.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.ended:
		return p.command.ProcessState
	default:
		return nil
	}
}

// Tell writes a line to the process. It does not wait for the effect.
func (p *Process) Tell(line string) error {
	_, err := io.WriteString(p.stdin, line+"\n")
	return err
}

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.command.Process.Signal(s) }

// Kill ends the process by SIGKILL, even if it is stopped.
func (p *Process) Kill() error { return p.command.Process.Kill() }

// Close ends the process and waits for it. It may be called more than once.
func (p *Process) Close() {
	_ = p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(exitLimit):
		_ = p.Kill()
		<-p.ended
	}
}
