package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// startLimit is how long a server process may take until it listens, and
	// exitLimit how long until it ends when its standard input is closed.
	startLimit = 10 * time.Second
	exitLimit  = 2 * time.Second
)

// server is one server of the cluster: a process, and after it another one at
// the same address. It is for use by one goroutine, but for arrived.
type server struct {
	name, addr string
	// arrived counts the calls, by what the processes themselves have said. It
	// is complete once the last of them has ended.
	arrived atomic.Int64
	process *process // nil before the first
}

// process is a child process of this program.
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	ready   chan string   // gets the address
	ended   chan struct{} // closed when it has ended and all it wrote was read
}

// start starts a process, after the last one has ended, and waits until it
// listens.
func (s *server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if s.process != nil {
		select {
		case <-s.process.ended:
		case <-ctx.Done():
			return fmt.Errorf("%s has not ended: %w", s.name, ctx.Err())
		}
	}
	p, err := s.launch()
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.process = p
	select {
	case s.addr = <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("start %s at %s: %v", s.name, s.addr, p.command.ProcessState)
	case <-ctx.Done():
		return fmt.Errorf("start %s at %s: %w", s.name, s.addr, ctx.Err())
	}
}

// launch starts this program again, as a server.
func (s *server) launch() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self) //nolint:gosec,noctx // this very program; close ends it
	command.Env = append(os.Environ(), serverNameEnv+"="+s.name, serverAddrEnv+"="+s.addr)
	command.Stderr = os.Stderr
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
	p := &process{command: command, stdin: stdin, ready: make(chan string, 1), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		s.listen(p, stdout)
		_ = command.Wait() // how it ended is in command.ProcessState
	}()
	return p, nil
}

// listen reads what a process says until it ends. What it wrote before it was
// killed is still read.
func (s *server) listen(p *process, stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == sayCall {
			s.arrived.Add(1)
		} else if addr, ok := strings.CutPrefix(lines.Text(), sayReady+" "); ok {
			p.ready <- addr // it listens once
		}
	}
}

// tell gives the process a command. It does not wait for the outcome.
func (s *server) tell(command string) error {
	_, err := io.WriteString(s.process.stdin, command+"\n")
	return err
}

// kill ends the process by SIGKILL, also one that hangs.
func (s *server) kill() error { return s.process.command.Process.Kill() }

// close ends the process, if there is one, and waits for it. It may be called
// more than once.
func (s *server) close() {
	if s.process == nil {
		return
	}
	_ = s.process.stdin.Close()
	select {
	case <-s.process.ended:
	case <-time.After(exitLimit):
		_ = s.kill()
		<-s.process.ended
	}
}

// cluster is the servers, in order.
type cluster []*server

// startCluster starts a server for each name.
func startCluster(ctx context.Context, names ...string) (cluster, error) {
	var c cluster
	for _, name := range names {
		s := &server{name: name, addr: "127.0.0.1:0"}
		c = append(c, s)
		if err := s.start(ctx); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// server gives the one with this name.
func (c cluster) server(name string) (*server, error) {
	for _, s := range c {
		if s.name == name {
			return s, nil
		}
	}
	return nil, errors.New("no server " + name)
}

// close ends all servers, and waits for them.
func (c cluster) close() {
	for _, s := range c {
		s.close()
	}
}
