package jsonapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABodyThatWasPeekedAtIsSentWhole(t *testing.T) {
	for name, x := range map[string]struct {
		body io.Reader
		get  bool
		ok   bool
		sent string
	}{
		"none":           {nil, false, true, ""},
		"small":          {strings.NewReader("hello"), false, true, "hello"},
		"with GetBody":   {strings.NewReader("hello"), true, true, "hello"},
		"unknown length": {io.MultiReader(strings.NewReader("hello")), false, true, "hello"},
		"large":          {io.MultiReader(strings.NewReader("hello, world")), false, false, "hello, world"},
		"known as large": {strings.NewReader("hello, world"), false, false, "hello, world"},
		"large GetBody":  {strings.NewReader("hello, world"), true, false, "hello, world"},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://ledger/", x.body)
		if x.get {
			r.ContentLength = -1
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(x.sent)), nil }
		}
		body, next, err := Peek(r, 8)
		assert.Equal(t, x.ok, err == nil, name)
		if x.ok {
			assert.Equal(t, x.sent, string(body), name)
		} else {
			require.ErrorIs(t, err, ErrBodyTooLarge, name)
		}
		sent, err := io.ReadAll(next.Body)
		require.NoError(t, err)
		assert.Equal(t, x.sent, string(sent), name)
		require.NoError(t, next.Body.Close())
	}
	own := errors.New("own")
	r := httptest.NewRequest(http.MethodPost, "http://ledger/", io.MultiReader(strings.NewReader("x"), failing{own}))
	_, next, err := Peek(r, 8)
	require.ErrorIs(t, err, own)
	_, err = io.ReadAll(next.Body)
	require.ErrorIs(t, err, own)
	r.GetBody = func() (io.ReadCloser, error) { return nil, own }
	_, _, err = Peek(r, 8)
	require.ErrorIs(t, err, own)
}

func TestACopyThatCannotBeReadIsNotTooLarge(t *testing.T) {
	own := errors.New("own")
	r := httptest.NewRequest(http.MethodPost, "http://ledger/", strings.NewReader("hello"))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(failing{own}), nil }
	_, next, err := Peek(r, 8)
	require.ErrorIs(t, err, own)
	assert.Equal(t, "jsonapi: reading the request's body: own", err.Error())
	sent, err := io.ReadAll(next.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(sent), "the body itself was not touched")
}

// blocked returns a request whose body does not come, and the reader that a test closes.
func blocked(ctx context.Context, copied bool) (*http.Request, *io.PipeReader) {
	body, _ := io.Pipe()
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://ledger/v2/commands/submit-and-wait", body)
	r.ContentLength = 5
	if copied {
		r.Body, r.GetBody = io.NopCloser(strings.NewReader("hello")), func() (io.ReadCloser, error) { return body, nil }
	}
	return r, body
}

func TestABodyThatDoesNotComeIsAwaitedAsLongAsTheCallerWaits(t *testing.T) {
	own := errors.New("the user has gone")
	p := newPeer(t, "p")
	c := newClient(t, Config{}, p)
	for _, copied := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(own) })
		r, body := blocked(ctx, copied)
		_, next, err := Peek(r, 8)
		require.ErrorIs(t, err, own)
		if !copied {
			_, err = next.Body.Read(make([]byte, 1))
			require.ErrorIs(t, err, own)
		}
		require.NoError(t, next.Body.Close())
		_, err = body.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)

		ctx, cancel = context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(own) })
		r, body = blocked(ctx, copied)
		_, err = c.RoundTrip(r) //nolint:bodyclose // an error
		require.ErrorIs(t, err, own)
		_, err = body.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)

		canceled := make(chan struct{})
		time.AfterFunc(20*time.Millisecond, func() { close(canceled) })
		r, _ = blocked(t.Context(), copied)
		r.Cancel = canceled     //nolint:staticcheck // what old programs do
		_, err = c.RoundTrip(r) //nolint:bodyclose // an error
		require.ErrorIs(t, err, errCanceled)
	}
	assert.Empty(t, p.got())
}

func TestABodyThatDoesNotComeDoesNotOutliveTheClient(t *testing.T) {
	for _, copied := range []bool{false, true} {
		c := newClient(t, Config{}, newPeer(t, "p"))
		time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
		r, body := blocked(t.Context(), copied)
		_, err := c.RoundTrip(r) //nolint:bodyclose // an error
		require.ErrorIs(t, err, ErrClosed)
		_, err = body.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	}
}
