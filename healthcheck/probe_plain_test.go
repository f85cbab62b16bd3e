package healthcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

func httpProbe(t *testing.T, client *http.Client, url string, o HTTPOptions) Probe {
	t.Helper()
	p := HTTPGet(client, url, o)
	t.Cleanup(func() { closeProbe(t, p) })
	return p
}

func TestEachHTTPStatusHasItsOwnVerdict(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/{status}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscan(r.PathValue("status"), &code)
		w.Header().Set("Location", "/200")
		w.WriteHeader(code)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for code, want := range map[int]report.Verdict{
		200: {Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""},
		204: {Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 204"},
		302: {Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 302"},
		401: {Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "HTTP status 401"},
		403: {Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "HTTP status 403"},
		404: {Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 404"},
		500: {Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 500"},
		503: {Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 503"},
	} {
		url := fmt.Sprintf("%s/%d", server.URL, code)
		assert.Equal(t, want, httpProbe(t, nil, url, HTTPOptions{}).Probe(t.Context()))
		expected := httpProbe(t, server.Client(), url, HTTPOptions{Expect: []int{code}})
		assert.Equal(t, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}, expected.Probe(t.Context()))
	}
}

func TestAnHTTPProbeUsesItsConnectionAgainAndReadsLittle(t *testing.T) {
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := 100
		if r.URL.Path == "/endless" {
			size = 1 << 30
		}
		for ; size > 0; size -= 100 {
			if _, err := w.Write(make([]byte, 100)); err != nil {
				return
			}
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	p := httpProbe(t, nil, server.URL+"/short", HTTPOptions{})
	for range 5 {
		require.Equal(t, report.Serving, p.Probe(t.Context()).Outcome)
	}
	assert.EqualValues(t, 1, conns.Load())
	assert.Equal(t, report.Serving, httpProbe(t, nil, server.URL+"/endless", HTTPOptions{}).Probe(t.Context()).Outcome)
}

func TestAnHTTPProbeThatCannotConnectOrIsRefusedAPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("X-Large", strings.Repeat("x", 2*maxHeader))
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			_ = c.Close()
		}
	}))
	v := httpProbe(t, nil, server.URL+"/?token=hunter2", HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonProbeError, v.Reason)
	assert.NotContains(t, v.Detail, "hunter2")
	v = httpProbe(t, nil, server.URL+"/large", HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonProbeError, v.Reason, "headers are bounded")
	server.Close()
	v = httpProbe(t, nil, server.URL+"/?token=hunter2", HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.Contains(t, v.Detail, "refused")
	assert.NotContains(t, v.Detail, "hunter2")
}

func TestAnHTTPSServerThatIsNotTrustedIsNotConnectedTo(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	v := httpProbe(t, nil, server.URL, HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.Contains(t, v.Detail, "certificate")
	assert.Contains(t, v.Detail, "its authority is not among the roots: see tls.rootCAFile")

	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	strict.StartTLS()
	defer strict.Close()
	v = httpProbe(t, strict.Client(), strict.URL, HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.Contains(t, v.Detail, "the server requires a client certificate: set tls.certFile and tls.keyFile")
}

func TestAnHTTPProbeSaysThatItsSchemeIsWrong(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	v := httpProbe(t, nil, strings.Replace(plain.URL, "http:", "https:", 1), HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.Contains(t, v.Detail, "the server does not speak TLS on this port: see the scheme of its address")

	v = httpProbe(t, nil, answering(t, "\x15\x03\x01\x00\x02\x02\x46", false), HTTPOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonProbeError, v.Reason)
	assert.Contains(t, v.Detail, "the server expects TLS: see the scheme of its address")
}

// answering returns the URL of a server that answers each connection with this text, and
// leaves it open or not.
func answering(t *testing.T, text string, open bool) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = lis.Close() })
	wg.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, text)
				if open {
					_, _ = io.Copy(io.Discard, c)
				}
			})
		}
	})
	return "http://" + lis.Addr().String()
}

// The body of such an answer is the connection itself, which no context ends.
func TestAnHTTPProbeEndsThatIsAnsweredWithAnotherProtocol(t *testing.T) {
	url := answering(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", true)
	verdict := make(chan report.Verdict, 1)
	go func() { verdict <- HTTPGet(nil, url, HTTPOptions{}).Probe(t.Context()) }()
	select {
	case v := <-verdict:
		assert.Equal(t, report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: "HTTP status 101"}, v)
	case <-time.After(10 * time.Second):
		t.Fatal("the probe reads a body without an end")
	}
}

func TestAnHTTPProbeThatIsNotAnsweredTimesOutAndOneThatIsGivenUpIsInconclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			c, server := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, server) }()
			return c, nil
		}}}
		p := httpProbe(t, client, "http://seq1:8080/health", HTTPOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, p.Probe(ctx))
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: ""}, p.Probe(ctx))
	})
}

func TestAnHTTPProbeShowsNeitherUserNorQuery(t *testing.T) {
	p := httpProbe(t, nil, "https://user:hunter2@seq1:8080/he%2Falth?token=hunter2", HTTPOptions{})
	assert.Equal(t, "http GET https://seq1:8080/he%2Falth", p.Target())
	assert.Equal(t, report.KindHTTP, p.Kind())
	for bad, shown := range map[string]string{
		"":                             `URL "": want an absolute http or https URL`,
		"seq1:8080":                    `URL "seq1:8080": want an absolute http or https URL`,
		"http://u:hunter2@[x/?hunter2": `URL "http://...@[x/?...": want an absolute http or https URL`,
	} {
		p := httpProbe(t, nil, bad, HTTPOptions{})
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: shown}, p.Probe(t.Context()))
		assert.NotContains(t, p.Target(), "hunter2")
	}
}

func TestATCPProbeTellsWhetherSomebodyListens(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := lis.Addr().String()
	p := TCPConnect(address, nil)
	assert.Equal(t, report.KindTCP, p.Kind())
	assert.Equal(t, "tcp "+address, p.Target())
	assert.Equal(t, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}, p.Probe(t.Context()))
	require.NoError(t, lis.Close())
	v := p.Probe(t.Context())
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.Contains(t, v.Detail, "refused")
	assert.Equal(t, report.ReasonConnectFailed, TCPConnect("no port", nil).Probe(t.Context()).Reason)
}

func TestATCPProbeThatIsNotAnsweredTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, TCPConnect("seq1:1", hang).Probe(ctx))
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: ""}, TCPConnect("seq1:1", hang).Probe(ctx))
		broken := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonConnectFailed, Detail: "no route"}, TCPConnect("seq1:1", broken).Probe(t.Context()))
	})
}

func TestAFuncProbeAlwaysHasAReasonAndACleanDetail(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, c := range map[string]struct {
		ctx       context.Context
		say, want report.Verdict
	}{
		"serving":              {t.Context(), report.Verdict{Outcome: report.Serving}, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}},
		"not serving":          {t.Context(), report.Verdict{Outcome: report.NotServing}, report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: ""}},
		"failed":               {t.Context(), report.Verdict{Outcome: report.Failed, Detail: "a\nb\x00"}, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "a b?"}},
		"failed at a deadline": {late, report.Verdict{Outcome: report.Failed}, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}},
		"failed, cancelled":    {canceled, report.Verdict{Outcome: report.Failed, Detail: "x"}, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: "x"}},
		"serving, cancelled":   {canceled, report.Verdict{Outcome: report.Serving}, report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}},
		"nothing at all":       {t.Context(), report.Verdict{}, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: ""}},
		"a reason of its own":  {t.Context(), report.Verdict{Outcome: report.Failed, Reason: report.ReasonConnectFailed, Detail: ""}, report.Verdict{Outcome: report.Failed, Reason: report.ReasonConnectFailed, Detail: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			p := Func("database", func(ctx context.Context) report.Verdict { assert.Equal(t, c.ctx, ctx); return c.say })
			assert.Equal(t, c.want, p.Probe(c.ctx))
			assert.Equal(t, report.KindFunc, p.Kind())
			assert.Equal(t, "database", p.Target())
		})
	}
	assert.Equal(t, report.Failed, Func("nothing", nil).Probe(t.Context()).Outcome)
}
