package jsonapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/resolver"
)

// shape is one way to use an http.Client. It returns what the program sees.
type shape func(ctx context.Context, c *http.Client, base string) string

// seen describes a response as far as programs depend on it.
func seen(resp *http.Response, err error) string {
	if err != nil {
		return "error: " + classOf(err)
	}
	body, err := io.ReadAll(resp.Body)
	closing := resp.Body.Close()
	_, again := resp.Body.Read(make([]byte, 1))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s length %d uncompressed %v, ", resp.Proto, resp.Status, resp.ContentLength, resp.Uncompressed)
	fmt.Fprintf(&b, "body %d %x, read %s, close %v, again %v", len(body), sha256.Sum256(body), classOf(err), closing, again != nil)
	if len(body) < 2000 {
		fmt.Fprintf(&b, " %q", body)
	}
	for _, key := range slices.Sorted(maps.Keys(resp.Header)) {
		if key != "Date" && key != "Location" {
			fmt.Fprintf(&b, "\n%s: %q", key, resp.Header[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(resp.Trailer)) {
		fmt.Fprintf(&b, "\ntrailer %s: %q", key, resp.Trailer[key])
	}
	fmt.Fprintf(&b, "\nfinally %s %s", resp.Request.Method, resp.Request.URL.RequestURI())
	return b.String()
}

func classOf(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	default:
		return "other"
	}
}

// plain makes a request with this body and header.
func plain(method, path string, body func() io.Reader, header ...string) shape {
	return func(ctx context.Context, c *http.Client, base string) string {
		var r io.Reader
		if body != nil {
			r = body()
		}
		req, err := http.NewRequestWithContext(ctx, method, base+path, r)
		if err != nil {
			return "no request: " + err.Error()
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		return seen(c.Do(req))
	}
}

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

// stream is a body of unknown length, without GetBody.
func stream(n int) func() io.Reader {
	return func() io.Reader { return io.LimitReader(zeros{}, int64(n)) }
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// shapes is the table.
var shapes = map[string]shape{
	"GET":                     plain("GET", "/echo?a=1&b=%20x", nil),
	"HEAD":                    plain("HEAD", "/echo", nil),
	"OPTIONS":                 plain("OPTIONS", "/echo", nil),
	"a method of one's own":   plain("REPORT", "/echo", text("x")),
	"POST":                    plain("POST", "/echo", text("hello"), "Content-Type", "text/plain"),
	"POST of nothing":         plain("POST", "/echo", text("")),
	"POST of NoBody":          plain("POST", "/echo", func() io.Reader { return http.NoBody }),
	"GET with a body":         plain("GET", "/echo", text("hello")),
	"PUT of 3 MB":             plain("PUT", "/echo", stream(3<<20)),
	"PUT of 3 MB with length": plain("PUT", "/echo", func() io.Reader { return bytes.NewReader(make([]byte, 3<<20)) }),
	"PATCH of a stream":       plain("PATCH", "/echo", stream(1000)),
	"DELETE":                  plain("DELETE", "/echo", nil),
	"escapes in the path":     plain("GET", "/echo/a%2Fb/%7Ec%20d", nil),
	"two values of a field":   plain("GET", "/echo", nil, "X-Two", "1", "X-Two", "2"),
	"an empty user agent":     plain("GET", "/echo", nil, "User-Agent", ""),
	"basic auth": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/echo", nil)
		req.SetBasicAuth("a", "b")
		return seen(c.Do(req))
	},
	"a Host of one's own": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/echo", nil)
		req.Host = "virtual.example"
		return seen(c.Do(req))
	},
	"gzip":                     plain("GET", "/gzip", nil),
	"gzip by hand":             plain("GET", "/gzip", nil, "Accept-Encoding", "gzip"),
	"204":                      plain("GET", "/status/204", nil),
	"304":                      plain("GET", "/status/304", nil),
	"404":                      plain("POST", "/status/404", text("x")),
	"500":                      plain("GET", "/status/500", nil),
	"a response in pieces":     plain("GET", "/pieces", nil),
	"a large response":         plain("GET", "/large", nil),
	"trailers of a response":   plain("GET", "/trailers", nil),
	"a response cut off":       plain("POST", "/cut", text("x")),
	"Expect, and it goes on":   plain("POST", "/echo", text("hello"), "Expect", "100-continue"),
	"Expect, and it does not":  plain("POST", "/status/417", text("hello"), "Expect", "100-continue"),
	"redirect 301":             plain("POST", "/redirect/301", text("hello")),
	"redirect 302":             plain("GET", "/redirect/302", nil),
	"redirect 303":             plain("PUT", "/redirect/303", text("hello")),
	"redirect 307":             plain("POST", "/redirect/307", text("hello")),
	"redirect 308":             plain("PUT", "/redirect/308", text("hello")),
	"redirect 307 of a stream": plain("POST", "/redirect/307", stream(1000)),
	"an absolute redirect":     plain("GET", "/absolute", nil),
	"no redirect followed": func(ctx context.Context, c *http.Client, base string) string {
		own := *c
		own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return plain("GET", "/redirect/302", nil)(ctx, &own, base)
	},
	"endless redirects": plain("GET", "/endless", nil),
	"a cookie jar": func(ctx context.Context, c *http.Client, base string) string {
		own := *c
		jar, _ := newJar()
		own.Jar = jar
		return plain("GET", "/cookie", nil)(ctx, &own, base) + plain("GET", "/echo", nil)(ctx, &own, base)
	},
	"trailers of a request": func(ctx context.Context, c *http.Client, base string) string {
		body := &trailing{Reader: strings.NewReader("hello"), at: http.Header{"X-Sum": nil}}
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/echo", body)
		req.Trailer = body.at
		return seen(c.Do(req))
	},
	"a body that fails": func(ctx context.Context, c *http.Client, base string) string {
		own := errors.New("own")
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/echo", io.MultiReader(strings.NewReader("x"), failing{own}))
		resp, err := c.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return fmt.Sprint(errors.Is(err, own))
	},
	"a body that is too short": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/echo", io.MultiReader(strings.NewReader("x")))
		req.ContentLength = 5
		resp, err := c.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return fmt.Sprint(err != nil)
	},
	"a body that is closed": func(ctx context.Context, c *http.Client, base string) string {
		body := &closing{Reader: strings.NewReader("hello"), closed: make(chan struct{})}
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/echo", body)
		out := seen(c.Do(req))
		select {
		case <-body.closed:
			return out
		case <-time.After(10 * time.Second):
			return "the body was not closed"
		}
	},
	"an early answer": func(ctx context.Context, c *http.Client, base string) string {
		r, w := io.Pipe()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/early", r)
		// The server awaits the rest of the body for a while before it answers.
		timer := time.AfterFunc(50*time.Millisecond, func() { w.CloseWithError(io.EOF) })
		defer timer.Stop()
		defer func() { _ = w.Close() }()
		resp, err := c.Do(req)
		if err != nil {
			return classOf(err)
		}
		resp.Body.Close()
		return resp.Status
	},
	"both ways at the same time": func(ctx context.Context, c *http.Client, base string) string {
		r, w := io.Pipe()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, base+"/duplex", r)
		done := make(chan string, 1)
		go func() { done <- seen(c.Do(req)) }()
		for range 3 {
			if _, err := io.WriteString(w, "line\n"); err != nil {
				break
			}
		}
		_ = w.Close()
		return <-done
	},
	"canceled before the answer": func(ctx context.Context, c *http.Client, base string) string {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(30*time.Millisecond, cancel)
		return plain("POST", "/never", text("x"))(ctx, c, base)
	},
	"canceled before it begins": func(ctx context.Context, c *http.Client, base string) string {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return plain("GET", "/echo", nil)(ctx, c, base)
	},
	"canceled while reading": func(ctx context.Context, c *http.Client, base string) string {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/half", nil)
		resp, err := c.Do(req)
		if err != nil {
			return classOf(err)
		}
		defer resp.Body.Close()
		_, _ = io.ReadFull(resp.Body, make([]byte, 4))
		cancel()
		_, err = io.ReadAll(resp.Body)
		return classOf(err)
	},
	"a timeout of the client": func(ctx context.Context, c *http.Client, base string) string {
		own := *c
		own.Timeout = 30 * time.Millisecond
		return plain("POST", "/never", text("x"))(ctx, &own, base)
	},
	"a timeout while reading": func(ctx context.Context, c *http.Client, base string) string {
		own := *c
		own.Timeout = 100 * time.Millisecond
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/half", nil)
		resp, err := own.Do(req)
		if err != nil {
			return classOf(err)
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return classOf(err)
	},
	"a body that is not read": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/large", nil)
		resp, err := c.Do(req)
		if err != nil {
			return classOf(err)
		}
		return fmt.Sprint(resp.Body.Close())
	},
	"no header at all": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/echo", nil)
		req.Header = nil
		return seen(c.Transport.RoundTrip(req))
	},
	"a field that is not valid": plain("POST", "/echo", text("x"), "X-Bad", "a\nb"),
	"an upgrade": func(ctx context.Context, c *http.Client, base string) string {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/upgrade", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.Do(req)
		if err != nil {
			return classOf(err)
		}
		defer resp.Body.Close()
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			return fmt.Sprintf("%s without a writer", resp.Status)
		}
		_, half := conn.(interface{ CloseWrite() error })
		if _, err := io.WriteString(conn, "hello\n"); err != nil {
			return classOf(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		return fmt.Sprint(resp.Status, half, line, classOf(err), conn.Close())
	},
}

type trailing struct {
	io.Reader

	at http.Header
}

func (r *trailing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		r.at.Set("X-Sum", "5")
	}
	return n, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type closing struct {
	io.Reader

	closed chan struct{}
}

func (c *closing) Close() error {
	close(c.closed)
	return nil
}

// conform compares a client of this package with a plain transport, over all shapes but
// some.
func conform(t *testing.T, base string, tls resolver.TLS, model *http.Transport, except ...string) {
	t.Helper()
	c := startClient(t, Config{
		Role: HTTP, Transport: model, HealthCheck: slow(), Endpoints: []Endpoint{{Name: "a", Address: base, TLS: tls}},
	})
	require.NoError(t, c.WaitHealthy(t.Context(), 1))
	other := model.Clone()
	defer other.CloseIdleConnections()
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		if slices.Contains(except, name) {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		began := time.Now()
		want := shapes[name](ctx, &http.Client{Transport: other}, base)
		got := shapes[name](ctx, c.HTTP(), "http://ledger")
		if d := time.Since(began); d > time.Second {
			t.Log(name, "took", d)
		}
		assert.Equal(t, want, got, name)
		assert.NoError(t, ctx.Err(), name)
		cancel()
	}
}

func TestEveryShapeWorksAsWithAPlainTransport(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := httptest.NewServer(shapeHandler())
		defer s.Close()
		conform(t, s.URL, resolver.TLS{}, defaultModel())
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := httptest.NewUnstartedServer(shapeHandler())
		s.EnableHTTP2 = true
		s.StartTLS()
		defer s.Close()
		model := defaultModel()
		model.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		conform(t, s.URL, resolver.TLS{}, model)
	})
	t.Run("HTTP/1.1 over TLS", func(t *testing.T) {
		s := httptest.NewTLSServer(shapeHandler())
		defer s.Close()
		model := defaultModel()
		model.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		conform(t, s.URL, resolver.TLS{RootCAPEM: string(authority)}, model)
	})
	t.Run("h2c", func(t *testing.T) {
		s := httptest.NewUnstartedServer(shapeHandler())
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true) // of the probes
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		defer s.Close()
		model := defaultModel()
		model.Protocols = new(http.Protocols)
		model.Protocols.SetUnencryptedHTTP2(true)
		conform(t, s.URL, resolver.TLS{}, model)
	})
}
