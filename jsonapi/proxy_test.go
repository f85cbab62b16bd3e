package jsonapi

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// newProxy returns the URL of a proxy, for plaintext and by CONNECT, and what it was asked.
func newProxy(t *testing.T) (*url.URL, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	forward := &http.Transport{}
	var tunnels sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.Host)
		mu.Unlock()
		if r.Method != http.MethodConnect {
			r.RequestURI = ""
			resp, err := forward.RoundTrip(r)
			if err != nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			return
		}
		tunnels.Add(1) // Close does not wait for a handler that has its connection hijacked
		defer tunnels.Done()
		to, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		tunnels.Go(func() {
			_, _ = io.Copy(conn, to)
			conn.Close()
		})
		tunnels.Go(func() {
			_, _ = io.Copy(to, conn)
			to.Close()
		})
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		forward.CloseIdleConnections()
		tunnels.Wait()
	})
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), asked...)
	}
}

func TestRequestsGoThroughAProxy(t *testing.T) {
	proxy, asked := newProxy(t)
	model := defaultModel()
	model.Proxy = http.ProxyURL(proxy)
	a, b := newPeer(t, "a"), newPeer(t, "b")
	c := newClient(t, Config{Policy: RoundRobin, Transport: model, HealthCheck: slow()}, a, b)
	assert.Equal(t, map[string]int{"a": 2, "b": 2}, answers(t, c, 4))
	a.stop() // the proxy says so, by 502
	assert.Equal(t, map[string]int{"b": 4}, answers(t, c, 4))
	assert.Contains(t, asked(), "GET "+a.Listener.Addr().String())
}

// overTLS makes a peer a TLS server with a certificate for this name.
func overTLS(ca *lbtest.CA, name string) func(*httptest.Server) {
	pair := ca.Issue(name)
	return func(s *httptest.Server) {
		certificate, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
		if err != nil {
			panic(err)
		}
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		s.StartTLS()
	}
}

// crypto/tls does not report the name of a connection to an IP address.
func TestAServerWithAnIPAddressIsVerifiedByAFile(t *testing.T) {
	ca := lbtest.NewCA(t, "authority")
	roots := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(roots, []byte(ca.PEM()), 0o600))
	a, other := newPeer(t, "a", overTLS(ca, "127.0.0.1")), newPeer(t, "other", overTLS(ca, "127.0.0.2"))
	c := startClient(t, Config{HealthCheck: slow(), Endpoints: []Endpoint{
		{Name: "a", Address: a.URL, TLS: cantonlb.TLS{RootCAFile: roots}},
		{Name: "other", Address: other.URL, TLS: cantonlb.TLS{RootCAFile: roots}},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, c.WaitHealthy(ctx, 1))
	assert.Equal(t, map[string]int{"a": 2}, answers(t, c, 2))
	require.Eventually(t, func() bool {
		status, _ := c.Status().Endpoint("other")
		return strings.Contains(status.Detail, "certificate is valid for 127.0.0.2, not 127.0.0.1")
	}, 10*time.Second, 5*time.Millisecond)
}

func TestTheNameOfTheCertificateIsTheHostOfRequests(t *testing.T) {
	proxy, asked := newProxy(t)
	through := defaultModel()
	through.Proxy = http.ProxyURL(proxy)
	for name, model := range map[string]*http.Transport{"direct": defaultModel(), "through a proxy": through} {
		ca := lbtest.NewCA(t, "authority")
		a := newPeer(t, "a", overTLS(ca, "json.example"))
		c := startClient(t, Config{Transport: model, HealthCheck: slow(), Endpoints: []Endpoint{{
			Name: "a", Address: a.URL, ServerName: "json.example", TLS: cantonlb.TLS{RootCAPEM: ca.PEM()}, Token: cantonlb.NewSecret("token-a"),
		}}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		require.NoError(t, c.WaitHealthy(ctx, 1), name)
		cancel()
		var server string
		a.handle(func(w http.ResponseWriter, r *http.Request) {
			server = r.TLS.ServerName
			if r.URL.Path == "/x" {
				http.Redirect(w, r, "https://"+r.Host+"/y", http.StatusFound)
			}
		})
		_, _, err := send(t, c, "GET", "/x", "")
		require.NoError(t, err, name)
		assert.Equal(t, "json.example", server, name)
		assert.Equal(t, []string{"GET /x", "GET /y"}, a.got(), name)
		for i, h := range a.heads() {
			assert.Equal(t, "Bearer token-a", h.Get("Authorization"), name)
			a.mu.Lock()
			assert.Equal(t, "json.example", a.hosts[i], name)
			a.mu.Unlock()
		}

		// A server that has another name gets nothing.
		other := newPeer(t, "other", overTLS(ca, "other.example"))
		c = startClient(t, Config{Transport: model, NoneEligible: cantonlb.FailOpen, Endpoints: []Endpoint{{
			Name: "a", Address: other.URL, ServerName: "json.example", TLS: cantonlb.TLS{RootCAPEM: ca.PEM()}, Token: cantonlb.NewSecret("token-a"),
		}}})
		require.Eventually(t, func() bool {
			status, _ := c.Status().Endpoint("a")
			return strings.Contains(status.Detail, "other.example")
		}, 10*time.Second, 5*time.Millisecond, name)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		_, _, err = send(t, c, "POST", "/x", "{}", func(r *http.Request) { *r = *r.WithContext(ctx) })
		cancel()
		require.ErrorContains(t, err, "other.example")
		var failed *AttemptsError
		require.ErrorAs(t, err, &failed)
		assert.True(t, failed.Unsent)
		assert.Empty(t, other.got(), name)
	}
	assert.NotEmpty(t, asked())
}

func TestAnAddressMayHaveAZone(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	a := newPeer(t, "a", func(s *httptest.Server) {
		_ = s.Listener.Close() // another one takes its place
		s.Listener = l
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	a.URL = "http://[::1%25lo]:" + port
	c := newClient(t, Config{}, a)
	_, body, err := send(t, c, "GET", "/x", "")
	require.NoError(t, err)
	assert.Equal(t, "a", body)
	assert.Equal(t, []string{"[::1]:" + port}, a.hosts, "a zone means nothing to a server")
}
