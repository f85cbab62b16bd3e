//go:build unix

package jsonapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// portVariable is set in the environment of a process that is a server.
const portVariable = "CANTONLB_BENCH_HTTP_PORT"

// Child runs a server if this process was started as one, and returns its exit code.
func Child() (code int, is bool) {
	port := os.Getenv(portVariable)
	if port == "" {
		return 0, false
	}
	var ready, delay atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready.Load() != 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/control/", func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/control/unready":
			ready.Store(1)
		case "/control/slow":
			delay.Store(int64(slowBy))
		default:
			ready.Store(0)
			delay.Store(0)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if d := delay.Load(); d > 0 {
			time.Sleep(time.Duration(d))
		}
		if ready.Load() != 0 { // as a JSON API whose participant is not active
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprint(w, `{"version":"3.4"}`)
	})
	s := &http.Server{Addr: net.JoinHostPort("127.0.0.1", port), Handler: mux, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) //nolint:contextcheck // the other one has ended
	}()
	if err := s.ListenAndServe(); ctx.Err() == nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	time.Sleep(100 * time.Millisecond) // Shutdown has answered what was in flight
	return 0, true
}

// slowBy is how long a slow server takes for a response.
const slowBy = 500 * time.Millisecond

// server is a server process.
type server struct {
	port string
	cmd  *exec.Cmd
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", s.port) }
func (s *server) url() string     { return "http://" + s.address() }

// start starts the process and waits until it answers.
func (s *server) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.cmd = exec.Command(self) //nolint:gosec,noctx // this program; end ends it
	s.cmd.Env = append(os.Environ(), portVariable+"="+s.port)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return listens(ctx, s.address())
}

// listens waits until something accepts connections at an address.
func listens(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if err := sleep.Context(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("nothing listens at %s", address)
		}
	}
}

// end ends the process by a signal, and waits for it.
func (s *server) end(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait()
}

func (s *server) control(ctx context.Context, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url()+"/control/"+what, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// freePort returns a port that is free now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
