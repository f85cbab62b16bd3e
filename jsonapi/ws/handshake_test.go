package ws

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/ledger"
)

// spoiled returns a client of a server that answers the first so many handshakes in
// another way, and how many there were.
func spoiled(t *testing.T, inner http.Handler, first int64, answer http.HandlerFunc) (*jsonapi.Client, *atomic.Int64) {
	t.Helper()
	handshakes := new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" && handshakes.Add(1) <= first {
			answer(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	c, err := jsonapi.New(jsonapi.Config{Endpoints: []jsonapi.Endpoint{{Name: "a", Address: s.URL}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.WaitHealthy(within(t), 1))
	return c, handshakes
}

func TestAHandshakeThatIsNotAnsweredIsMadeAgain(t *testing.T) {
	was := pongPatience
	pongPatience = 100 * time.Millisecond
	defer func() { pongPatience = was }()
	p := &participant{handler: counting(3, 3)}
	inner := newServer(t, p, "inner")
	c, handshakes := spoiled(t, inner, 2, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := Dial(within(t), c, UpdatesPath, struct{}{}, Options{})
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, "the server does not answer the handshake")

	var got []ledger.Offset
	for update, err := range Updates(within(t), c, ledger.At(0), map[string]any{"endInclusive": 3}, StreamOptions{}) {
		require.NoError(t, err)
		got = append(got, update.Offset)
	}
	assert.Equal(t, []ledger.Offset{ledger.At(1), ledger.At(2), ledger.At(3)}, got)
	assert.EqualValues(t, 3, handshakes.Load())
}

// A server that refuses has answered. The pause that it asks for may be longer than the wait
// for an answer.
func TestTheWaitForTheNextServerIsNotThatForAnAnswer(t *testing.T) {
	was := pongPatience
	pongPatience = 700 * time.Millisecond
	defer func() { pongPatience = was }()
	inner := newServer(t, &participant{handler: counting(1, 1)}, "inner")
	c, handshakes := spoiled(t, inner, 1, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	conn, err := Dial(within(t), c, UpdatesPath, struct{}{}, Options{})
	require.NoError(t, err)
	conn.Close()
	assert.EqualValues(t, 2, handshakes.Load())
}

func TestTheDeadlineOfAHandshakeIsNotThatOfTheStream(t *testing.T) {
	was := pongPatience
	pongPatience = 300 * time.Millisecond
	defer func() { pongPatience = was }()
	p := &participant{handler: counting(1, 1)}
	conn, err := Dial(within(t), newClient(t, newServer(t, p, "a")), UpdatesPath, map[string]any{"beginExclusive": 0}, Options{Ping: -1})
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*pongPatience/2)
	defer cancel()
	<-ctx.Done()
	_, err = conn.Recv()
	require.NoError(t, err)
}

func TestAMistakeOfTheProgramIsAnInvalidArgument(t *testing.T) {
	c := newClient(t, newServer(t, &participant{}, "a"))
	for want, x := range map[string]struct {
		path    string
		request any
	}{
		"the request: json: unsupported type: chan int":                               {UpdatesPath, make(chan int)},
		`path "v2/updates": want one that begins with a slash, such as "/v2/updates"`: {"v2/updates", nil},
	} {
		_, err := Dial(within(t), c, x.path, x.request, Options{})
		require.EqualError(t, err, "rpc error: code = InvalidArgument desc = jsonapi/ws: "+want)
	}
}

func TestNoErrorShowsATokenThatTheServerHasQuoted(t *testing.T) {
	const token, escape = "token-a", "\x1b[2J"
	reasons := map[string]websocket.StatusCode{
		"/moved": websocket.StatusGoingAway, "/denied": websocket.StatusPolicyViolation, "/large": websocket.StatusMessageTooBig,
	}
	p := &participant{handler: func(ctx context.Context, _ *jsonServer, c *websocket.Conn, path string, _ map[string]any) error {
		if path == "/message" {
			return say(ctx, c, `{"code":"X_%[1]s","cause":"of %[1]s \u001b[2J","correlationId":"x","context":{"a":"%[1]s"},"errorCategory":7}`, token)
		}
		return c.Close(reasons[path], "quoted: "+token+escape)
	}}
	server := newServer(t, p, "a")
	c := newClient(t, server)
	for path := range reasons {
		conn, err := Dial(within(t), c, path, struct{}{}, Options{})
		require.NoError(t, err)
		_, err = conn.Recv()
		assertClean(t, err, "quoted: [redacted]")
	}
	conn, err := Dial(within(t), c, "/message", struct{}{}, Options{})
	require.NoError(t, err)
	_, err = conn.Recv()
	assertClean(t, err, "of [redacted]")

	refusing, _ := spoiled(t, server, 1, func(w http.ResponseWriter, _ *http.Request) {
		hijacked, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			defer hijacked.Close()
			_, _ = io.WriteString(hijacked, "HTTP/1.1 403 of "+token+escape+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	_, err = Dial(within(t), refusing, UpdatesPath, struct{}{}, Options{})
	assertClean(t, err, "403 of [redacted]")
}

// assertClean asserts that an error has this text, and nothing that must not be shown.
func assertClean(t *testing.T, err error, want string) {
	t.Helper()
	require.ErrorContains(t, err, want)
	all := status.Convert(err).Proto().String()
	assert.NotContains(t, all, "token-a")
	assert.NotContains(t, err.Error(), "\x1b")
}
