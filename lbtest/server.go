package lbtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// portTimeout is how long Restart waits for a port that another program has
	// taken; portRetry is the pause between its attempts.
	portTimeout = 2 * time.Second
	portRetry   = 10 * time.Millisecond
)

// Server is one server of a [Cluster], from [Cluster.Server]. All methods are
// safe for concurrent use.
type Server struct {
	t        testing.TB
	name     string
	addrs    [ports]string // set by the first start; empty for a port that it does not have
	register func(*grpc.Server)
	set      *options
	health   *health.Server           // outlives the processes; nil by WithoutHealth
	identity atomic.Pointer[identity] // nil without TLS

	cut        gate // shut while partitioned; survives restarts, as a network does
	goroutines sync.WaitGroup

	// mu guards the fields below. Nothing blocks while it is held, and the only
	// locks acquired then are those inside a connection or a listener.
	mu     sync.Mutex
	run    *process // nil while down
	closed bool     // the test is over
	conns  map[*conn]struct{}
	unseen []net.Conn // closed during a partition; the peers do not know yet
	faults [kinds]fault
	counts counts
	token  string        // that calls must have; empty for none
	seen   []string      // tokens that calls have had
	change chan struct{} // closed at the next change; nil if no goroutine waits
}

// process is one life of a server, from its start to its end.
type process struct {
	server *Server
	ports  [ports]*service // nil for a port that it does not have
	hung   gate
	ended  chan struct{} // closed by endLocked
}

func newServer(t testing.TB, index int, register func(*grpc.Server), set *options) *Server {
	t.Helper()

	name := fmt.Sprintf("server%d", index)
	s := &Server{t: t, name: name, register: register, set: set, conns: make(map[*conn]struct{})}
	if !set.tcp {
		for _, port := range set.ports() {
			s.addrs[port] = fmt.Sprintf("%s.lbtest:%d", name, port+1)
		}
	}
	if set.tls != nil && set.tls(index) {
		s.identity.Store(s.newIdentity())
	}
	if set.tokens {
		s.token = rand.Text()
	}
	if !set.noHealth {
		s.health = health.NewServer()
		for _, service := range set.healthServices {
			s.health.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
		}
	}

	return s
}

// start ends the running process, if any, and starts a new one.
func (s *Server) start() error {
	p := &process{server: s, ended: make(chan struct{})}
	for _, port := range s.set.ports() {
		p.ports[port] = p.build(port)
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.endLocked()
	err := p.listenLocked()
	if err != nil || s.closed {
		for _, service := range p.ports {
			service.abandon()
		}

		return err
	}
	s.run = p
	for _, service := range p.ports {
		if service != nil {
			s.goroutines.Go(service.lis.run)
			s.goroutines.Go(service.serve)
		}
	}

	return nil
}

// listenLocked opens the listeners, unless the test is over.
func (p *process) listenLocked() error {
	s := p.server
	for port, service := range p.ports {
		if service == nil || s.closed {
			continue
		}
		inner, err := s.listen(s.addrs[port])
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		if s.addrs[port] == "" {
			s.addrs[port] = inner.Addr().String()
		}
		service.lis = newListener(inner, p, port)
	}

	return nil
}

func (s *Server) listen(addr string) (net.Listener, error) {
	switch {
	case !s.set.tcp:
		return newMemoryListener(), nil
	case addr == "":
		return net.Listen("tcp", "127.0.0.1:0")
	default:
		return net.Listen("tcp", addr)
	}
}

// aliveLocked reports whether p is the running process.
func (s *Server) aliveLocked(p *process) bool { return s.run == p }

// endLocked ends the running process, if any, as SIGKILL would.
func (s *Server) endLocked() {
	p := s.run
	if p == nil {
		return
	}

	s.run = nil
	close(p.ended)
	for _, service := range p.ports {
		if service != nil {
			_ = service.lis.Close() // nothing is left to do if that fails
			s.goroutines.Go(service.stop)
		}
	}
	for c := range s.conns {
		_ = s.dropLocked(c, true) // the client notices in any case
	}
}

// shutdown ends the server for good.
func (s *Server) shutdown() {
	s.Heal()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.endLocked()
}

// Name returns the server's name, for example "server0".
func (s *Server) Name() string { return s.name }

// Addr returns the server's address as host:port. It never changes.
func (s *Server) Addr() string { return s.addrs[callPort] }

// Up reports whether the server runs, hung or not.
func (s *Server) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.run != nil
}

// Kill ends the server as SIGKILL does: it closes the listener and all connections
// at once, on TCP with a reset, so that calls in flight fail and new connections
// are refused. The contexts of handlers are cancelled. A server that is down stays
// down.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

// Stop ends the server gracefully: it refuses new connections, sends GOAWAY, and
// returns when all calls have ended. As with any grpc-go server, a health Watch is
// such a call; a conforming client ends it at GOAWAY. A hung server cannot stop
// before Resume. Kill cuts a Stop short. A server that is down stays down.
func (s *Server) Stop() {
	s.mu.Lock()
	p := s.run
	s.mu.Unlock()
	if p == nil {
		return
	}

	for _, service := range p.ports {
		if service != nil {
			service.finish()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aliveLocked(p) {
		s.endLocked()
	}
}

// Restart starts the server again at the same address; if it runs, it is killed
// first. The new process does not hang. Everything else is as last set: health
// statuses (SERVING unless SetServing or SetHealthStatus said otherwise), latency,
// failures, partition and counts. On TCP, if another program has taken the port, it
// tries for two seconds and then reports an error by t.Errorf.
func (s *Server) Restart() {
	s.t.Helper()

	deadline := time.Now().Add(portTimeout)
	for {
		err := s.start()
		switch {
		case err == nil:
			return
		case !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline):
			s.t.Errorf("lbtest: Restart: %s: %v", s.name, err)

			return
		}
		<-time.After(portRetry)
	}
}

// Disconnect closes all connections abruptly, as Kill does, and continues to
// listen.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = s.dropLocked(c, true) // the client notices in any case
	}
}
