//go:build unix

package etcdtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const patience = 60 * time.Second

// Server is a cluster of one etcd server on loopback.
type Server struct {
	program string
	folder  string
	ports   [2]int // for clients, and for peers
	pid     int
	ended   chan struct{}
	log     bytes.Buffer // to be read once the server has ended
}

// Start starts a server with its data in a temporary folder, until the end of the test.
// Where etcd is not installed the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("etcd is not installed (Debian: apt-get install etcd-server)")
	}
	s := &Server{program: program, folder: t.TempDir(), ports: [2]int{freePort(t), freePort(t)}}
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
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.ports[0]) }

// Run starts the server again after Stop or Kill, and waits until it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	client, peer := "http://"+s.Address(), fmt.Sprintf("http://127.0.0.1:%d", s.ports[1])
	c := exec.Command(s.program, "--name", "one", "--data-dir", s.folder, //nolint:gosec,noctx // the system's; Stop ends it
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer)
	c.Stdout, c.Stderr = &s.log, &s.log
	c.SysProcAttr = attributes()
	s.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		// The signal at its parent's death comes with the end of the thread that has
		// started it, which has to stay, therefore.
		runtime.LockOSThread()
		defer close(s.ended)
		err := c.Start()
		if err == nil {
			s.pid = c.Process.Pid
		}
		started <- err
		if err == nil {
			_ = c.Wait() // how it ends is the test's doing
		}
	}()
	if err := <-started; err != nil {
		s.ended = nil
		t.Fatalf("etcd: %v", err)
	}
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
	if s.ended == nil {
		return
	}
	_ = syscall.Kill(s.pid, signal) // it may be gone
	select {
	case <-s.ended:
	case <-time.After(patience):
		_ = syscall.Kill(s.pid, syscall.SIGKILL)
		<-s.ended
	}
	s.ended = nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has one
}

func attributes() *syscall.SysProcAttr {
	a := new(syscall.SysProcAttr)
	a.Setpgid = true
	dieWithParent(a)
	return a
}
