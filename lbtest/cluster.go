package lbtest

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// MaxServers is the largest cluster that [NewCluster] builds.
const MaxServers = 1000

// stopTimeout is how long the end of a test waits for running handlers.
const stopTimeout = 10 * time.Second

// Cluster is a list of gRPC servers that a test can disturb individually. Make it
// with [NewCluster]. All methods are safe for concurrent use. A method that takes
// an index ends the test by t.Fatalf if there is no such server.
type Cluster struct {
	t       testing.TB
	tcp     bool
	servers []*Server
	secure  bool // a server has TLS
	byAddr  map[string]place
}

// NewCluster starts n servers, 1 to [MaxServers], and stops them by t.Cleanup;
// after that, Restart does nothing. Call it before a client is made, so that the
// client closes first. Inside testing/synctest, call it in the bubble with the
// bubble's t.
//
// register adds the services under test. It runs once for each start of each
// server, restarts included, and may be nil; see also [RegisterEcho]. The kit
// itself adds the gRPC health service, with SERVING for "".
//
// A failure ends the test by t.Fatalf. A handler that still runs ten seconds after
// the end of the test is reported by t.Errorf: a handler must return when its
// context ends.
func NewCluster(t testing.TB, n int, register func(*grpc.Server), opts ...Option) *Cluster {
	t.Helper()

	if n < 1 || n > MaxServers {
		t.Fatalf("lbtest: NewCluster: n = %d: want 1 to %d", n, MaxServers)
	}

	set := &options{}
	for i, opt := range opts {
		if opt == nil {
			t.Fatalf("lbtest: NewCluster: opts[%d] is nil: leave it out", i)
		}
		opt(set)
	}
	for i, opt := range set.serverOptions {
		if opt == nil {
			t.Fatalf("lbtest: NewCluster: WithServerOptions: opts[%d] is nil: leave it out", i)
		}
	}

	c := &Cluster{t: t, tcp: set.tcp, byAddr: make(map[string]place, n)}
	t.Cleanup(c.close)
	for i := range n {
		s := newServer(t, i, register, set)
		c.servers = append(c.servers, s)
		if err := s.start(); err != nil {
			t.Fatalf("lbtest: NewCluster: %s: %v", s.name, err)
		}
		c.secure = c.secure || s.HasTLS()
		for port, addr := range s.addrs {
			if addr != "" {
				c.byAddr[addr] = place{server: s, port: port}
			}
		}
	}

	return c
}

// close stops every server, then waits for the goroutines that they left running.
func (c *Cluster) close() {
	c.t.Helper()

	for _, s := range c.servers {
		s.shutdown()
	}

	deadline := time.NewTimer(stopTimeout)
	defer deadline.Stop()
	for _, s := range c.servers {
		done := make(chan struct{})
		go func() {
			s.goroutines.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-deadline.C:
			c.t.Errorf("lbtest: %s: a handler still runs %v after the end of the test: "+
				"it must return when its context ends", s.name, stopTimeout)

			return
		}
	}
}

// Len returns the number of servers, up or down.
func (c *Cluster) Len() int { return len(c.servers) }

// Names returns the servers' names, in order: "server0", "server1" and so on.
func (c *Cluster) Names() []string {
	names := make([]string, len(c.servers))
	for i, s := range c.servers {
		names[i] = s.name
	}

	return names
}

// Addrs returns the servers' addresses as host:port, in order. They never change.
// On bufconn they are synthetic, for example "server0.lbtest:1", and only
// [Cluster.Dialer] reaches them.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.servers))
	for i, s := range c.servers {
		addrs[i] = s.Addr()
	}

	return addrs
}

// URLs returns the servers' addresses as "https://host:port", or "http://host:port"
// for one without TLS, in order.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.servers))
	for i, s := range c.servers {
		urls[i] = s.URL()
	}

	return urls
}

// Target returns the target that lists all servers: "static:///" followed by their
// addresses, separated by commas.
func (c *Cluster) Target() string {
	return "static:///" + strings.Join(c.Addrs(), ",")
}

// Server returns server i, 0 to Len()-1. Its methods are those of Cluster without
// the index.
func (c *Cluster) Server(i int) *Server {
	c.t.Helper()

	if i < 0 || i >= len(c.servers) {
		c.t.Fatalf("lbtest: server index %d: want 0 to %d", i, len(c.servers)-1)
	}

	return c.servers[i]
}
