package jsonapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/healthcheck"
)

// peer is a JSON API server whose behaviour a test changes.
type peer struct {
	*httptest.Server

	name  string
	ready atomic.Int32 // the status of /readyz
	hangs atomic.Bool  // nothing is answered
	// keepsNothing: the requests are not kept.
	keepsNothing atomic.Bool
	handler      atomic.Pointer[http.HandlerFunc]
	release      chan struct{}
	once         sync.Once

	mu       sync.Mutex
	requests []string      // besides those for health
	headers  []http.Header // of the requests
	hosts    []string
	bodies   []string
}

func newPeer(t *testing.T, name string, wrap ...func(*httptest.Server)) *peer {
	t.Helper()
	p := &peer{name: name, release: make(chan struct{})}
	p.ready.Store(http.StatusOK)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	started := false
	for _, w := range wrap {
		w(p.Server)
		started = p.URL != ""
	}
	if !started {
		p.Start()
	}
	t.Cleanup(p.stop)
	return p
}

// stop kills the server.
func (p *peer) stop() {
	p.once.Do(func() { close(p.release) })
	p.CloseClientConnections()
	p.Close()
}

func (p *peer) serve(w http.ResponseWriter, r *http.Request) {
	if p.hangs.Load() {
		select {
		case <-p.release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
	switch r.URL.Path {
	case "/readyz":
		w.WriteHeader(int(p.ready.Load()))
		return
	case "/livez":
		return
	}
	body, _ := io.ReadAll(r.Body)
	if h := p.handler.Load(); h != nil && p.keepsNothing.Load() {
		(*h)(w, r)
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+r.URL.RequestURI())
	p.headers = append(p.headers, r.Header.Clone())
	p.hosts = append(p.hosts, r.Host)
	p.bodies = append(p.bodies, string(body))
	p.mu.Unlock()
	if h := p.handler.Load(); h != nil {
		(*h)(w, r)
		return
	}
	_, _ = fmt.Fprint(w, p.name)
}

func (p *peer) handle(h http.HandlerFunc) { p.handler.Store(&h) }

func (p *peer) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// heads returns the headers of the requests, and texts their bodies.
func (p *peer) heads() []http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]http.Header(nil), p.headers...)
}

func (p *peer) texts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.bodies...)
}

// quick is a schedule that finds faults soon.
func quick() healthcheck.Config {
	return healthcheck.Config{
		Interval: 50 * time.Millisecond, SuspectInterval: 10 * time.Millisecond, Timeout: 50 * time.Millisecond,
		Silence: 40 * time.Millisecond,
	}
}

// newClient makes a client of these peers that is ready.
func newClient(t *testing.T, cfg Config, peers ...*peer) *Client {
	t.Helper()
	c := startClient(t, cfg, peers...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, c.WaitHealthy(ctx, len(peers)))
	return c
}

func startClient(t *testing.T, cfg Config, peers ...*peer) *Client {
	t.Helper()
	for _, p := range peers {
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: p.name, Address: p.URL})
	}
	if cfg.HealthCheck == (healthcheck.Config{}) {
		cfg.HealthCheck = quick()
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// send makes a request with a deadline, and returns its status and body.
func send(t *testing.T, c *Client, method, path, body string, change ...func(*http.Request)) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ledger"+path, r)
	require.NoError(t, err)
	for _, f := range change {
		f(req)
	}
	resp, err := c.HTTP().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// slow is a schedule by which probes find nothing during a test.
func slow() healthcheck.Config {
	return healthcheck.Config{Interval: time.Hour, SuspectInterval: time.Hour, Timeout: time.Minute, Silence: time.Hour}
}
