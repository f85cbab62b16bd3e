package healthcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/tlshint"
	"github.com/cantonlb/cantonlb/report"
)

const (
	// maxBody is how many bytes of a page are read, so that the connection can be
	// reused.
	maxBody = 4 << 10
	// maxHeader bounds the headers of a page, in bytes.
	maxHeader = 64 << 10
)

// HTTPOptions holds the settings of an HTTP probe that have defaults.
type HTTPOptions struct {
	// Expect lists the statuses that mean serving. Default 200 alone.
	Expect []int
}

// HTTPGet returns a Probe that gets a page by HTTP. One of the expected statuses is
// Serving, 401 and 403 are Failed with ReasonProbeDenied, and any other status,
// redirects included, is NotServing. At most 4 KiB of the page are read; its
// content is ignored.
//
// If client is nil, the Probe makes one by NewHTTPClient. The Probe implements
// io.Closer: its owner must close it. Close closes the idle connections of a client
// that the Probe made, and leaves the caller's client alone.
//
// If the URL is invalid, the verdict is Failed with ReasonProbeError. Target and
// the verdicts contain neither the user nor the query of the URL.
func HTTPGet(client *http.Client, pageURL string, o HTTPOptions) Probe {
	p := &httpGet{own: client == nil, expect: o.Expect}
	if p.own {
		client = NewHTTPClient()
	}
	c := *client // a copy, since only this probe must not follow redirects
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.client = &c
	if len(p.expect) == 0 {
		p.expect = []int{http.StatusOK}
	}
	u, err := url.Parse(pageURL)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		p.url, p.shown = pageURL, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	} else {
		p.shown = cleantext.Detail(redactURL(pageURL))
	}
	return p
}

// NewHTTPClient returns a client that suits probes. It connects directly to the
// server, without a proxy. It speaks HTTP/1 only, where a connection that hangs is
// closed with the request that timed out on it. It keeps one connection and accepts
// at most 64 KiB of headers. It has no timeout, since probes have a deadline. Call
// CloseIdleConnections when it is no longer needed.
func NewHTTPClient() *http.Client {
	t := &http.Transport{
		DialContext:            (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return &http.Client{Transport: t}
}

type httpGet struct {
	client *http.Client
	own    bool   // whether the client is the probe's
	url    string // empty if invalid
	shown  string // the URL without secrets
	expect []int
}

func (p *httpGet) Kind() report.ProbeKind { return report.KindHTTP }
func (p *httpGet) Target() string         { return "http GET " + p.shown }

// Close closes the idle connections.
func (p *httpGet) Close() error {
	if p.own {
		p.client.CloseIdleConnections()
	}
	return nil
}

func (p *httpGet) Probe(ctx context.Context) report.Verdict {
	if p.url == "" {
		return checking.NewVerdict(report.Failed, report.ReasonProbeError, fmt.Sprintf("URL %q: want an absolute http or https URL", p.shown))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil { // url.Parse has accepted the URL: only ctx could be nil
		return checking.NewVerdict(report.Failed, report.ReasonProbeError, "no request could be made")
	}
	req.Header.Set("User-Agent", "cantonlb-healthcheck")
	resp, err := p.client.Do(req)
	if err != nil {
		return ioFailure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSwitchingProtocols { // its body is the connection, and has no end
		_, _ = io.CopyN(io.Discard, resp.Body, maxBody) // only the status matters
	}
	detail := fmt.Sprintf("HTTP status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case slices.Contains(p.expect, code):
		return checking.NewVerdict(report.Serving, report.ReasonServing, "")
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return checking.NewVerdict(report.Failed, report.ReasonProbeDenied, detail)
	default:
		return checking.NewVerdict(report.NotServing, report.ReasonNotServing, detail)
	}
}

// ioFailure returns the verdict of a probe over a plain connection that returned an
// error.
func ioFailure(ctx context.Context, err error) report.Verdict {
	var shown *url.Error
	if errors.As(err, &shown) {
		err = shown.Err // without the URL, which may hold a secret
	}
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "")
	case ctx.Err() != nil || (errors.As(err, &timeout) && timeout.Timeout()):
		return checking.NewVerdict(report.Failed, report.ReasonProbeTimeout, "")
	case errors.As(err, &op) && op.Op == "dial", isHandshake(err):
		return checking.NewVerdict(report.Failed, report.ReasonConnectFailed, withHint(err))
	default:
		return checking.NewVerdict(report.Failed, report.ReasonProbeError, withHint(err))
	}
}

// isHandshake reports whether an error is that of a TLS handshake.
func isHandshake(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || tlshint.IsAlert(err) ||
		errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, new(tls.RecordHeaderError))
}

// withHint returns the text of an error and, if it is clear, which setting it is about.
func withHint(err error) string {
	hint := tlshint.Of(err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		hint = "the server does not speak TLS on this port: see the scheme of its address"
	case strings.Contains(err.Error(), alertInPlaintext):
		hint = "the server expects TLS: see the scheme of its address"
	}
	if hint == "" {
		return err.Error()
	}
	return err.Error() + "; " + hint
}

// alertInPlaintext is how an error of net/http begins that quotes a TLS alert, with which a
// server answers a request in plaintext.
const alertInPlaintext = `malformed HTTP response "\x15\x03`
