//go:build unix

package etcdtest

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
)

const (
	patience = 60 * time.Second
	loopback = "127.0.0.1"
)

// Server is a cluster of one etcd server.
type Server struct {
	program string
	folder  string
	host    string
	ports   [2]int // for clients, and for peers
	running *proctest.Program
	log     bytes.Buffer // to be read once the server has ended
}

// Start starts a server on loopback, with its data in a temporary folder, until the end
// of the test. Where etcd is not installed the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartOn(t, loopback)
}

// StartOn is Start for a server that clients reach at the address host.
func StartOn(t testing.TB, host string) *Server {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("etcd is not installed (Debian: apt-get install etcd-server)")
	}
	s := &Server{program: program, folder: t.TempDir(), host: host}
	s.ports = [2]int{proctest.FreePort(t, host), proctest.FreePort(t, loopback)}
	t.Cleanup(func() {
		s.Stop()
		if text := s.log.Bytes(); t.Failed() {
			t.Logf("etcd:\n%s", text[max(0, len(text)-4000):])
		}
	})
	s.Run(t)
	return s
}

// Address is the endpoint for clients.
func (s *Server) Address() string { return net.JoinHostPort(s.host, strconv.Itoa(s.ports[0])) }

// Run starts the server again after Stop or Kill, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	client, peer := "http://"+s.Address(), "http://"+net.JoinHostPort(loopback, strconv.Itoa(s.ports[1]))
	c := exec.Command(s.program, "--name", "one", "--data-dir", s.folder, //nolint:gosec,noctx // the system's; Stop ends it
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer)
	c.Stdout, c.Stderr = &s.log, &s.log
	running, err := proctest.StartProgram(c, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	s.running = running
	s.await(t)
}

func (s *Server) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := s.Client(t)
	defer func() { _ = client.Close() }() // it has answered
	for {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		_, err := client.Get(attempt, "x")
		cancel()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("etcd does not answer: %v", err)
		}
	}
}

// Client returns a client of the server, without a log. It is the caller's to close.
func (s *Server) Client(t testing.TB) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{s.Address()}, DialTimeout: patience, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Stop ends the server in good order.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends it at once.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	s.running.End(signal)
	s.running = nil
}
