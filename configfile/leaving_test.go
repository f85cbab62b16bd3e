package configfile_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
)

// heldServer is a server of a JSON API that answers with its name, and /held only after
// release is closed.
type heldServer struct {
	*httptest.Server

	name           string
	began, release chan struct{}
	conns          atomic.Int64 // that are open
}

func newHeldServer(t *testing.T, name string) *heldServer {
	t.Helper()
	s := &heldServer{name: name, began: make(chan struct{}), release: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			close(s.began)
			<-s.release
		}
		_, _ = io.WriteString(w, s.name)
	}))
	s.Config.ConnState = func(_ net.Conn, is http.ConnState) {
		switch is {
		case http.StateNew:
			s.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.conns.Add(-1)
		default:
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestRequestsLeaveWhatAFileOfShardsNoLongerHas(t *testing.T) {
	a, b, other := newHeldServer(t, "a"), newHeldServer(t, "b"), newHeldServer(t, "other")
	path := filepath.Join(t.TempDir(), "lb.yaml")
	write := func(p1 *heldServer) {
		text := "shards:\n"
		for name, s := range map[string]*heldServer{"p1": p1, "p2": other} {
			if s != nil {
				text += fmt.Sprintf("  %s: {lookUps: false, parties: [party-of-%s], json: {endpoints: [{name: %s, address: %q}]}}\n", name, name, s.name, s.URL)
			}
		}
		replaceFile(t, path, text)
	}
	write(a)
	r, err := configfile.NewRouter(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	get := func(path string) (string, error) {
		req, err := http.NewRequestWithContext(shard.WithParty(testkit.Context(t), "party-of-p1"), http.MethodGet, "http://ledger"+path, nil)
		require.NoError(t, err)
		resp, err := r.HTTP().Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	hold := func(s *heldServer) <-chan string {
		got := make(chan string, 1)
		go func() {
			body, err := get("/held")
			got <- fmt.Sprint(body, err)
		}()
		testkit.Receive(t, s.began)
		return got
	}
	closed := func(s *heldServer) {
		t.Helper()
		require.Eventually(t, func() bool { return s.conns.Load() == 0 }, testkit.Patience, 5*time.Millisecond)
	}

	held := hold(a)
	write(b) // another endpoint of the same client
	awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 1 })
	require.Eventually(t, func() bool {
		body, err := get("/")
		return err == nil && body == "b"
	}, testkit.Patience, 5*time.Millisecond, "requests go to the endpoint of the new file")
	assert.Positive(t, a.conns.Load())
	close(a.release)
	assert.Equal(t, "a<nil>", testkit.Receive(t, held), "a request in flight finishes at the old one")
	closed(a)

	held = hold(b)
	write(nil) // the client is gone
	awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 2 })
	_, err = get("/")
	require.ErrorContains(t, err, `party "party-of-p1": no shard hosts it`)
	assert.Positive(t, b.conns.Load())
	close(b.release)
	assert.Equal(t, "b<nil>", testkit.Receive(t, held))
	closed(b)
	assert.Positive(t, other.conns.Load(), "the client that has stayed is not closed")
}
