package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/child"
)

// startLimit is how long a server process may take until it listens.
const startLimit = 10 * time.Second

// server is one server of the cluster: a process, and later another one at the same
// address. Except for arrived, it is for use by one goroutine.
type server struct {
	name, addr string
	// arrived counts the calls that the processes have reported. It is complete once
	// the last of them has ended.
	arrived atomic.Int64
	process *child.Process // nil before the first
}

// start starts a process, after the previous one has ended, and waits until it
// listens.
func (s *server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if s.process != nil {
		select {
		case <-s.process.Ended():
		case <-ctx.Done():
			return fmt.Errorf("%s has not ended: %w", s.name, ctx.Err())
		}
	}
	ready := make(chan string, 1) // gets the address; it listens once
	p, err := child.Start([]string{serverNameEnv + "=" + s.name, serverAddrEnv + "=" + s.addr}, func(line string) {
		if line == sayCall {
			s.arrived.Add(1)
		} else if addr, ok := strings.CutPrefix(line, sayReady+" "); ok {
			ready <- addr
		}
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.process = p
	select {
	case s.addr = <-ready:
		return nil
	case <-p.Ended():
		return fmt.Errorf("start %s at %s: %v", s.name, s.addr, p.State())
	case <-ctx.Done():
		return fmt.Errorf("start %s at %s: %w", s.name, s.addr, ctx.Err())
	}
}

// tell sends the process a command. It does not wait for the outcome.
func (s *server) tell(command string) error { return s.process.Tell(command) }

// kill ends the process by SIGKILL, even if it hangs.
func (s *server) kill() error { return s.process.Kill() }

// close ends the process, if there is one, and waits for it. It may be called
// more than once.
func (s *server) close() {
	if s.process != nil {
		s.process.Close()
	}
}

// cluster is the list of servers, in order.
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

// server returns the server with this name.
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
