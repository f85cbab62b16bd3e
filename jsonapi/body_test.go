package jsonapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// brittle is a body that cannot be read to its end.
func brittle(err error) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader("12345"), failing{err}))
}

func TestARequestThatCannotBeWrittenIsNoEvidenceAgainstAnEndpoint(t *testing.T) {
	broken, cut := errors.New("the disk is broken"), fmt.Errorf("the other connection: %w", io.EOF)
	request := func(method, body string, length int64) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://ledger/x", strings.NewReader(body))
		require.NoError(t, err)
		r.ContentLength = length
		return r
	}
	secured := func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	}
	for name, x := range map[string]struct {
		http2  bool
		change func(*http.Request)
		length int64
		want   string
	}{
		"shorter than it says":           {length: 100, want: "ContentLength=100 with Body length 10"},
		"longer than it says":            {length: 5, want: "ContentLength=5 with Body length 10"},
		"longer over HTTP/2":             {http2: true, length: 5, want: "larger than specified content length"},
		"without the body of its length": {length: 5, want: "with nil Body", change: func(r *http.Request) { r.Body = nil }},
		"with a trailer that is none": {length: -1, want: "invalid Trailer key", change: func(r *http.Request) {
			r.Trailer = http.Header{"Content-Length": nil}
		}},
		"for a path with a control character":  {length: 10, want: "control character", change: func(r *http.Request) { r.URL.RawQuery = "a\nb" }},
		"for a host that is none, over HTTP/2": {http2: true, length: 10, want: "invalid Host", change: func(r *http.Request) { r.Host = "a b" }},
		"shorter, and without GetBody": {
			length: 100, want: "ContentLength=100 with Body length 10", change: func(r *http.Request) { r.GetBody = nil },
		},
		"not readable": {length: 10, want: "reading the request's body: the disk is broken", change: func(r *http.Request) {
			r.Body, r.GetBody = brittle(broken), func() (io.ReadCloser, error) { return brittle(broken), nil }
		}},
		"not readable, by an error that wraps io.EOF": {length: 10, want: "reading the request's body: the other connection: EOF", change: func(r *http.Request) {
			r.Body, r.GetBody = brittle(cut), func() (io.ReadCloser, error) { return brittle(cut), nil }
		}},
		"nor again": {length: 10, want: "reading the request's body: the other connection: EOF", change: func(r *http.Request) {
			r.Body, r.GetBody = brittle(cut), nil
		}},
		"not readable over HTTP/2": {http2: true, length: 10, want: "reading the request's body: the disk is broken", change: func(r *http.Request) {
			r.Body, r.GetBody = brittle(broken), func() (io.ReadCloser, error) { return brittle(broken), nil }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var wrap []func(*httptest.Server)
			if x.http2 {
				wrap = append(wrap, secured)
			}
			a, b := newPeer(t, "a", wrap...), newPeer(t, "b", wrap...)
			cfg := Config{Policy: RoundRobin, HealthCheck: slow()}
			if x.http2 {
				cfg.Transport = defaultModel()
				cfg.Transport.TLSClientConfig = a.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
				cfg.Transport.TLSClientConfig.NextProtos = nil
			}
			c := newClient(t, cfg, a, b)
			for _, method := range []string{http.MethodPut, http.MethodPost} {
				r := request(method, "1234567890", x.length)
				if x.change != nil {
					x.change(r)
				}
				_, err := c.RoundTrip(r) //nolint:bodyclose // an error
				require.ErrorContains(t, err, x.want)
				var attempts *AttemptsError
				require.ErrorAs(t, err, &attempts)
				assert.Len(t, attempts.Attempts, 1, "no endpoint can do better")
			}
			for _, e := range c.Status().Endpoints {
				assert.Zero(t, e.Calls.Failed, e.Name)
			}
		})
	}
}

func TestABodyThatIsClosedWhileItIsReadIsNotWrong(t *testing.T) {
	reading, writer := io.Pipe()
	b := &replay{getBody: func() (io.ReadCloser, error) { return nil, errors.New("unused") }, source: reading}
	body, err := b.attempt()
	require.NoError(t, err)
	ended := make(chan error)
	go func() {
		_, err := body.Read(make([]byte, 1))
		ended <- err
	}()
	require.NoError(t, body.Close()) // as HTTP/2 does when an attempt ends
	require.Error(t, <-ended)
	require.NoError(t, b.failed())
	require.NoError(t, writer.Close())
}
