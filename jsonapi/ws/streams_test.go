package ws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/ledger"
)

const update = `{"update":{"Transaction":{"value":{"updateId":"u%d","offset":%d}}}}`

// counting sends the updates after an offset, a few at a time, and then breaks off.
func counting(few int64, end int64) func(context.Context, *jsonServer, *websocket.Conn, string, map[string]any) error {
	return func(ctx context.Context, s *jsonServer, c *websocket.Conn, _ string, request map[string]any) error {
		begin := int64(request["beginExclusive"].(float64))
		for n := begin + 1; n <= min(begin+few, end); n++ {
			if err := say(ctx, c, update, n, n); err != nil {
				return err
			}
		}
		if begin+few >= end { // idle
			<-ctx.Done()
		}
		return errors.New("broken off")
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestUpdatesGoOnAfterTheLastOffset(t *testing.T) {
	p := &participant{handler: counting(3, 20)}
	c := newClient(t, newServer(t, p, "a"), newServer(t, p, "b"))
	next := int64(5)
	for u, err := range Updates(within(t), c, ledger.At(5), map[string]any{"verbose": true}, StreamOptions{}) {
		require.NoError(t, err)
		next++
		require.Equal(t, ledger.At(next), u.Offset)
		require.JSONEq(t, fmt.Sprintf(update, next, next), string(u.Msg))
		if next == 20 {
			break
		}
	}
	requests, headers := p.got()
	require.Greater(t, len(requests), 4)
	assert.Equal(t, map[string]any{"verbose": true, "beginExclusive": 5.0}, requests[0])
	assert.Equal(t, "jwt.token.token-a,daml.ws.auth", headers[0].Get("Sec-WebSocket-Protocol"))
}

func TestUpdatesFollowATakeover(t *testing.T) {
	p := &participant{}
	switched := make(chan struct{})
	p.handler = func(ctx context.Context, s *jsonServer, c *websocket.Conn, _ string, request map[string]any) error {
		begin := int64(request["beginExclusive"].(float64))
		if err := say(ctx, c, update, begin+1, begin+1); err != nil {
			return err
		}
		if s.name == "b" {
			close(switched)
		}
		<-ctx.Done() // nobody says that it is over
		return ctx.Err()
	}
	a, b := newServer(t, p, "a"), newServer(t, p, "b")
	c := newClient(t, a, b)
	var monitor ledger.Monitor
	var offsets []int64
	o := StreamOptions{Ledger: ledger.Options[Message]{Monitor: &monitor}}
	for u, err := range Updates(within(t), c, ledger.Offset{}, struct{}{}, o) {
		require.NoError(t, err)
		offsets = append(offsets, u.Offset.Int64())
		if len(offsets) == 2 {
			break
		}
		a.ready.Store(false)
	}
	<-switched
	assert.Equal(t, []int64{1, 2}, offsets)
	assert.EqualValues(t, 1, monitor.Status().Reopened[ledger.Moved], "%+v", monitor.Status())
}

func TestUpdatesWithAnEndEnd(t *testing.T) {
	p := &participant{}
	p.handler = func(ctx context.Context, _ *jsonServer, c *websocket.Conn, _ string, _ map[string]any) error {
		if err := say(ctx, c, update, 3, 3); err != nil {
			return err
		}
		return say(ctx, c, `{"update":{"OffsetCheckpoint":{"value":{"offset":9}}}}`)
	}
	c := newClient(t, newServer(t, p, "a"))
	var seen []bool
	for u, err := range Updates(within(t), c, ledger.Offset{}, map[string]any{"endInclusive": 9}, StreamOptions{}) {
		require.NoError(t, err)
		seen = append(seen, u.Checkpoint)
	}
	assert.Equal(t, []bool{false, true}, seen)
}

func TestErrorsOfTheServerAreThoseOfTheLedger(t *testing.T) {
	p := &participant{}
	p.handler = func(ctx context.Context, _ *jsonServer, c *websocket.Conn, _ string, _ map[string]any) error {
		return say(ctx, c, `{"code":"PARTICIPANT_PRUNED_DATA_ACCESSED","cause":"pruned up to 7","correlationId":"abcdefghij",`+
			`"context":{"earliest_offset":"8"},"errorCategory":9,"grpcCodeValue":9,"definiteAnswer":false,"retryInfo":null}`)
	}
	c := newClient(t, newServer(t, p, "a"))
	for _, err := range Updates(within(t), c, ledger.At(1), struct{}{}, StreamOptions{}) {
		var stopped *ledger.StoppedError
		require.ErrorAs(t, err, &stopped)
		assert.Equal(t, ledger.Pruned, stopped.Cause)
		said, ok := cantonerr.From(err)
		require.True(t, ok)
		assert.Equal(t, "PARTICIPANT_PRUNED_DATA_ACCESSED", said.ID)
		assert.Equal(t, "8", said.Metadata["earliest_offset"])
	}
}

func TestCompletionsSkipWhatSaysNothing(t *testing.T) {
	p := &participant{}
	p.handler = func(ctx context.Context, _ *jsonServer, c *websocket.Conn, path string, _ map[string]any) error {
		if err := say(ctx, c, `{"completionResponse":{"Empty":{}}}`); err != nil {
			return err
		}
		if err := say(ctx, c, `{"completionResponse":{"Completion":{"value":{"commandId":%q,"offset":4}}}}`, path); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	c := newClient(t, newServer(t, p, "a"))
	for path, o := range map[string]StreamOptions{CompletionsPath: {}, CommandCompletionsPath: {Path: CommandCompletionsPath}} {
		for u, err := range Completions(within(t), c, ledger.At(1), map[string]any{"parties": []string{"a"}}, o) {
			require.NoError(t, err)
			assert.Equal(t, ledger.At(4), u.Offset)
			assert.Contains(t, string(u.Msg), path)
			break
		}
	}
}

func TestActiveContractsStartAgainAtTheSameOffset(t *testing.T) {
	p := &participant{}
	p.end.Store(7)
	p.handler = func(ctx context.Context, _ *jsonServer, c *websocket.Conn, _ string, _ map[string]any) error {
		requests, _ := p.got()
		for i := range 3 {
			if i == 2 && len(requests) == 1 {
				return errors.New("broken off")
			}
			if err := say(ctx, c, `{"contractEntry":{"JsActiveContract":{"n":%d}}}`, i); err != nil {
				return err
			}
		}
		return nil
	}
	c := newClient(t, newServer(t, p, "a"))
	attempts, contracts := 0, 0
	at, err := ActiveContracts(within(t), c, ledger.Offset{}, struct{}{}, func(all iter.Seq2[Message, error]) error {
		attempts++
		contracts = 0
		for _, err := range all {
			if err != nil {
				return err
			}
			contracts++
		}
		return nil
	}, StreamOptions{})
	require.NoError(t, err)
	assert.Equal(t, ledger.At(7), at)
	assert.Equal(t, 2, attempts)
	assert.Equal(t, 3, contracts)
	requests, _ := p.got()
	for _, r := range requests {
		assert.InDelta(t, 7, r["activeAtOffset"], 0)
	}
}

func TestAServerThatDoesNotAnswerAPingIsGivenUp(t *testing.T) {
	p := &participant{handler: func(ctx context.Context, _ *jsonServer, _ *websocket.Conn, _ string, _ map[string]any) error {
		<-ctx.Done() // it does not read, so it answers no ping
		return ctx.Err()
	}}
	c := newClient(t, newServer(t, p, "a"))
	was := pongPatience
	pongPatience = 50 * time.Millisecond
	defer func() { pongPatience = was }()
	conn, err := Dial(within(t), c, UpdatesPath, struct{}{}, Options{Ping: 20 * time.Millisecond})
	require.NoError(t, err)
	_, err = conn.Recv()
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.ErrorContains(t, err, "ping")
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	p := &participant{handler: func(ctx context.Context, _ *jsonServer, c *websocket.Conn, path string, _ map[string]any) error {
		switch path {
		case "/large":
			return say(ctx, c, "%01000d", 1)
		case "/binary":
			return c.Write(ctx, websocket.MessageBinary, []byte("{}"))
		case "/text":
			return say(ctx, c, "no JSON")
		case "/policy":
			_ = c.Close(websocket.StatusPolicyViolation, "no")
			return errors.New("closed")
		}
		return nil
	}}
	s := newServer(t, p, "a")
	c := newClient(t, s)
	_, err := Dial(within(t), c, "/refuse", struct{}{}, Options{})
	assert.Equal(t, codes.PermissionDenied, status.Code(err))
	said, ok := cantonerr.From(err)
	require.True(t, ok)
	assert.Equal(t, "PERMISSION_DENIED", said.ID)
	_, err = Dial(within(t), c, "/v2/version", struct{}{}, Options{})
	assert.Equal(t, codes.Unknown, status.Code(err))
	_, err = Dial(within(t), c, UpdatesPath, make(chan int), Options{})
	require.Error(t, err)
	_, err = Dial(within(t), c, UpdatesPath, nil, Options{MaxMessage: -1})
	require.EqualError(t, err, "rpc error: code = InvalidArgument desc = jsonapi/ws: Options.MaxMessage -1: want a number of bytes, or 0 for 64 MiB")
	_, err = Dial(within(t), c, UpdatesPath, nil, Options{Ping: 5})
	require.ErrorContains(t, err, "code = InvalidArgument desc = jsonapi/ws: Options.Ping 5ns: want a duration of at least 1ms")
	_, err = Dial(within(t), nil, UpdatesPath, nil, Options{})
	require.EqualError(t, err, "rpc error: code = InvalidArgument desc = jsonapi/ws: the client is nil")
	for path, want := range map[string]codes.Code{
		"/large": codes.ResourceExhausted, "/binary": codes.Internal, "/text": codes.Internal, "/policy": codes.PermissionDenied,
	} {
		conn, err := Dial(within(t), c, path, struct{}{}, Options{MaxMessage: 100})
		require.NoError(t, err)
		_, err = conn.Recv()
		assert.Equal(t, want, status.Code(err), "%s: %v", path, err)
		conn.Close()
	}
	conn, err := Dial(within(t), c, UpdatesPath, struct{}{}, Options{})
	require.NoError(t, err)
	_, err = conn.Recv()
	require.ErrorIs(t, err, io.EOF)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Dial(ctx, c, UpdatesPath, struct{}{}, Options{})
	require.ErrorIs(t, err, context.Canceled)
	s.kill()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Dial(short, c, UpdatesPath, struct{}{}, Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestThePathsAreThoseOfTheReleases compares the paths with the AsyncAPI documents of the
// releases, as package jsonapi lists them.
func TestThePathsAreThoseOfTheReleases(t *testing.T) {
	since33 := []string{ActiveContractsPath, CompletionsPath, UpdatesPath}
	until35 := slices.Concat(since33, []string{FlatsPath, TreesPath})
	for file, want := range map[string][]string{
		"2.10": {"/v1/stream/query", "/v1/stream/fetch"}, "3.3": until35, "3.4": until35,
		"3.5": slices.Concat(until35, []string{CommandCompletionsPath}), "head": slices.Concat(since33, []string{CommandCompletionsPath}),
	} {
		text, err := os.ReadFile("../testdata/api/" + file + ".txt")
		require.NoError(t, err)
		var got []string
		for line := range strings.Lines(string(text)) {
			if path, found := strings.CutPrefix(strings.TrimSpace(line), "stream "); found {
				got = append(got, path)
			}
		}
		assert.ElementsMatch(t, want, got, file)
	}
}

// The websockets of Canton 2 take the token as a subprotocol alone, and a query that is a
// list.
func TestAWebsocketOfCanton2IsOpened(t *testing.T) {
	var protocols, path string
	var query []map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return // a health page
		}
		protocols, path = r.Header.Get("Sec-WebSocket-Protocol"), r.URL.Path
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"daml.ws.auth"}})
		if err != nil {
			return
		}
		_, data, _ := c.Read(r.Context())
		_ = json.Unmarshal(data, &query)
		_ = say(r.Context(), c, `{"events":[],"offset":"00ff"}`)
		_ = c.Close(websocket.StatusNormalClosure, "")
	}))
	defer s.Close()
	c, err := jsonapi.New(jsonapi.Config{Role: jsonapi.JSONAPI2, Endpoints: []jsonapi.Endpoint{
		{Name: "a", Address: s.URL, Token: cantonlb.NewSecret("token-a"), AllowInsecureTokens: true},
	}})
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.WaitHealthy(within(t), 1))
	for token, header := range map[string]http.Header{"token-a": nil, "mine": {"Authorization": {"Bearer mine"}}} {
		conn, err := Dial(within(t), c, "/v1/stream/query", []any{map[string]any{"templateIds": []string{"A:B"}}}, Options{Header: header})
		require.NoError(t, err)
		m, err := conn.Recv()
		require.NoError(t, err)
		assert.JSONEq(t, `{"events":[],"offset":"00ff"}`, string(m))
		_, err = conn.Recv()
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, "jwt.token."+token+",daml.ws.auth", protocols)
		assert.Equal(t, "/v1/stream/query", path)
		assert.Equal(t, []map[string]any{{"templateIds": []any{"A:B"}}}, query)
	}
}

func TestMistakesOfTheProgramAreErrors(t *testing.T) {
	c := newClient(t, newServer(t, &participant{}, "a"))
	own := StreamOptions{Ledger: ledger.Options[Message]{Position: func(Message) (ledger.Offset, bool, error) { return ledger.At(1), false, nil }}}
	for name, all := range map[string]iter.Seq2[ledger.Update[Message], error]{
		"no object":  Updates(t.Context(), c, ledger.At(1), []int{1}, StreamOptions{}),
		"no JSON":    Updates(t.Context(), c, ledger.At(1), make(chan int), StreamOptions{}),
		"negative":   Updates(t.Context(), c, ledger.At(1), struct{}{}, StreamOptions{Options: Options{MaxMessage: -1}}),
		"no client":  Completions(t.Context(), nil, ledger.At(1), struct{}{}, StreamOptions{}),
		"a Position": Updates(t.Context(), c, ledger.At(1), struct{}{}, own),
		"null":       Updates(t.Context(), c, ledger.At(1), nil, StreamOptions{}),
	} {
		n := 0
		for _, err := range all {
			n++
			var stopped *ledger.StoppedError
			require.ErrorAs(t, err, &stopped, name)
			assert.Equal(t, ledger.Misused, stopped.Cause, name)
		}
		assert.Equal(t, 1, n, name)
	}
	_, err := ActiveContracts(t.Context(), nil, ledger.At(1), struct{}{}, nil, StreamOptions{})
	require.Error(t, err)
}

func TestANodeAsksTheJSONAPI(t *testing.T) {
	p := &participant{}
	p.end.Store(12)
	s := newServer(t, p, "a")
	node := NodeOf(newClient(t, s))
	end, err := node.LedgerEnd(t.Context())
	require.NoError(t, err)
	assert.Equal(t, ledger.At(12), end)
	delay, err := node.CheckpointDelay(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 75*time.Second+5, delay)
	id, err := node.ParticipantID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "p1", id)
}

func TestADelayIsReadAsScalaWritesIt(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "1": 0, "-1 second": 0, "1 year": 0, "1 second": time.Second, "250 milliseconds": 250 * time.Millisecond,
		"1 hour": time.Hour, "2 days": time.Hour, "3000000 hours": time.Hour, "99999999999 seconds": time.Hour,
		"99999999999999999999999 nanoseconds": time.Hour, "3600000000000 nanoseconds": time.Hour,
	} {
		assert.Equal(t, want, delayOf(text), text)
	}
}

func TestATokenThatTheServerChoosesAsTheSubprotocolIsNotShown(t *testing.T) {
	var choose atomic.Pointer[string]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			return
		}
		r.Header.Set("Sec-WebSocket-Protocol", *choose.Load())
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{*choose.Load()}})
		if err != nil {
			return
		}
		if *choose.Load() == "jwt.token.hush" {
			_ = c.Close(websocket.StatusNormalClosure, "")
		}
		_ = c.CloseNow() // the client has refused the handshake
	}))
	t.Cleanup(srv.Close)
	c, err := jsonapi.New(jsonapi.Config{Endpoints: []jsonapi.Endpoint{{
		Name: "a", Address: srv.URL, Token: cantonlb.NewSecret("hush"), AllowInsecureTokens: true,
	}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	for _, chosen := range []string{"jwt.token.hush", "other", strings.Repeat("x", 100_000)} {
		choose.Store(&chosen)
		conn, err := Dial(within(t), c, "/stream", nil, Options{})
		if chosen == "jwt.token.hush" {
			require.NoError(t, err, "as if it had chosen none")
			_, err = conn.Recv()
			require.ErrorIs(t, err, io.EOF)
			continue
		}
		require.Error(t, err)
		assert.Equal(t, codes.Internal, status.Code(err))
		assert.NotContains(t, err.Error(), "hush")
		assert.Less(t, len(err.Error()), 2000)
	}
}
