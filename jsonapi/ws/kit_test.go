package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// participant is what the JSON servers of a test share.
type participant struct {
	end     atomic.Int64 // the ledger end
	handler func(ctx context.Context, s *jsonServer, c *websocket.Conn, path string, request map[string]any) error

	mu       sync.Mutex
	requests []map[string]any
	headers  []http.Header
}

// jsonServer is one server of a JSON API.
type jsonServer struct {
	*httptest.Server

	p     *participant
	name  string
	ready atomic.Bool
	stop  context.CancelFunc
	ctx   context.Context
	wg    sync.WaitGroup
}

func newServer(t *testing.T, p *participant, name string) *jsonServer {
	t.Helper()
	s := &jsonServer{p: p, name: name}
	s.ready.Store(true)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.kill)
	return s
}

// kill ends the server and its connections.
func (s *jsonServer) kill() {
	s.ready.Store(false)
	s.stop()
	s.wg.Wait()
	s.CloseClientConnections()
	s.Close()
}

func (s *jsonServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/readyz":
		if !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	case "/livez":
		return
	case "/v2/state/ledger-end":
		_, _ = fmt.Fprintf(w, `{"offset":%d}`, s.p.end.Load())
		return
	case "/v2/version":
		_, _ = fmt.Fprint(w, `{"version":"3.4","features":{"offsetCheckpoint":{"maxOffsetCheckpointEmissionDelay":{"seconds":75,"nanos":5}}}}`)
		return
	case "/v2/parties/participant-id":
		_, _ = fmt.Fprint(w, `{"participantId":"p1"}`)
		return
	case "/refuse":
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"code":"PERMISSION_DENIED","cause":"no right","context":{},"errorCategory":7,"grpcCodeValue":7}`)
		return
	}
	s.p.mu.Lock()
	s.p.headers = append(s.p.headers, r.Header.Clone())
	s.p.mu.Unlock()
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"daml.ws.auth"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	s.wg.Add(1)
	defer s.wg.Done()
	_, data, err := c.Read(s.ctx) //nolint:contextcheck // the server's
	var request map[string]any
	if err != nil || json.Unmarshal(data, &request) != nil {
		return
	}
	s.p.mu.Lock()
	s.p.requests = append(s.p.requests, request)
	s.p.mu.Unlock()
	if s.p.handler(s.ctx, s, c, r.URL.Path, request) == nil { //nolint:contextcheck // the server's
		_ = c.Close(websocket.StatusNormalClosure, "")
	}
}

func (p *participant) got() ([]map[string]any, []http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]map[string]any(nil), p.requests...), append([]http.Header(nil), p.headers...)
}

// say sends a message.
func say(ctx context.Context, c *websocket.Conn, format string, args ...any) error {
	return c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...))
}

func newClient(t *testing.T, servers ...*jsonServer) *jsonapi.Client {
	t.Helper()
	cfg := jsonapi.Config{
		HealthCheck: healthcheck.Config{
			Interval: 50 * time.Millisecond, SuspectInterval: 10 * time.Millisecond, Timeout: 50 * time.Millisecond, Silence: 40 * time.Millisecond,
		},
		Failover: cantonlb.Failover{Drain: 20 * time.Millisecond},
	}
	for _, s := range servers {
		cfg.Endpoints = append(cfg.Endpoints, jsonapi.Endpoint{
			Name: s.name, Address: s.URL, Token: cantonlb.NewSecret("token-" + s.name), AllowInsecureTokens: true,
		})
	}
	c, err := jsonapi.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.WaitHealthy(t.Context(), len(servers)))
	return c
}
