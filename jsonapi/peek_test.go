package jsonapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
