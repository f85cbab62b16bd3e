package jsonapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answer is what became of a request.
type answer struct {
	body string
	err  error
}

// ask makes a request in the background.
func ask(t *testing.T, c *Client, path string) <-chan answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger"+path, nil)
	require.NoError(t, err)
	got := make(chan answer, 1)
	go func() {
		resp, err := c.HTTP().Do(req)
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		got <- answer{string(body), err}
	}()
	return got
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	began, release := make(chan string, 2), make(chan struct{})
	a.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/download" {
			_, _ = io.WriteString(w, "first ")
			_ = http.NewResponseController(w).Flush()
		}
		began <- r.URL.Path
		<-release
		_, _ = io.WriteString(w, "last")
	})
	late, download := ask(t, c, "/late"), ask(t, c, "/download")
	<-began
	<-began
	ended := make(chan error, 1)
	go func() { ended <- c.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool { return c.pool.shut.Load() }, 10*time.Second, time.Millisecond)
	_, _, err := send(t, c, "GET", "/new", "")
	require.ErrorIs(t, err, ErrClosed)
	assert.Len(t, a.got(), 2, "it was not sent")
	close(release)
	assert.Equal(t, answer{"last", nil}, <-late)
	assert.Equal(t, answer{"first last", nil}, <-download)
	require.NoError(t, <-ended)
	require.NoError(t, c.Shutdown(t.Context()))
}

func TestShutdownWaitsForARequestThatWaitsForAnEndpoint(t *testing.T) {
	a := newPeer(t, "a")
	a.ready.Store(http.StatusServiceUnavailable)
	c := startClient(t, Config{}, a)
	got := ask(t, c, "/v2/version")
	require.Eventually(t, func() bool { return c.pool.awaited.Load() == 1 }, 10*time.Second, time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- c.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool { return c.pool.shut.Load() }, 10*time.Second, time.Millisecond)
	a.ready.Store(http.StatusOK)
	assert.Equal(t, answer{"a", nil}, <-got)
	require.NoError(t, <-ended)
}

func TestShutdownWaitsForARequestAtAnEndpointThatHasLeft(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{}, a)
	began, release := make(chan struct{}), make(chan struct{})
	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		_, _ = io.WriteString(w, "a")
	})
	got := ask(t, c, "/v2/version")
	<-began
	require.NoError(t, c.Update([]Endpoint{{Name: "b", Address: b.URL}}))
	require.Eventually(t, func() bool { return len(c.Status().Leaving) == 0 }, 10*time.Second, time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- c.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool { return c.pool.shut.Load() }, 10*time.Second, time.Millisecond)
	assert.Equal(t, 1, c.pool.busy())
	close(release)
	assert.Equal(t, answer{"a", nil}, <-got)
	require.NoError(t, <-ended)
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	began := make(chan struct{})
	a.handle(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	got := ask(t, c, "/v2/version")
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err := c.Shutdown(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "jsonapi: shutdown: 1 requests did not finish: context deadline exceeded")
	require.ErrorIs(t, (<-got).err, ErrClosed)
}

func TestShutdownEndsUpgradedConnections(t *testing.T) {
	a := newPeer(t, "a")
	c := newClient(t, Config{HealthCheck: slow()}, a)
	closed := make(chan struct{})
	a.handle(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer close(closed)
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = buffered.ReadByte() // until the client ends it
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger/", nil)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := c.HTTP().Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(resp.Body)
		read <- err
	}()
	require.NoError(t, c.Shutdown(t.Context()))
	require.ErrorIs(t, <-read, ErrClosed)
	<-closed
}

// A request that begins while the client is closed neither goes on nor leaves a connection.
func TestNothingOutlivesClose(t *testing.T) {
	var open atomic.Int64
	a := newPeer(t, "a", func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, to http.ConnState) {
			switch to {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			default:
			}
		}
	})
	a.keepsNothing.Store(true)
	a.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "a")
	})
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		c := newClient(t, Config{Policy: RoundRobin, HedgeAfter: time.Duration(round%2) * time.Millisecond}, a)
		errs := make(chan error, 16)
		for i := range cap(errs) {
			go func() {
				for {
					req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger"+[]string{"/x", "/hang"}[i%2], nil)
					resp, err := c.RoundTrip(req)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					}
					if err != nil {
						errs <- err
						return
					}
				}
			}()
		}
		<-time.After(time.Duration(round) * 250 * time.Microsecond)
		require.NoError(t, c.Close())
		for range cap(errs) {
			select {
			case err := <-errs:
				require.ErrorIs(t, err, ErrClosed)
			case <-time.After(10 * time.Second):
				require.Fail(t, "a request outlives the client")
			}
		}
		require.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond, "connections are left")
	}
}
