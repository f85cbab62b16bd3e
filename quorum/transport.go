package quorum

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TransportConfig sets how a Transport reads.
type TransportConfig struct {
	Config
	// Base makes the requests to members that have no Transport of their own. The
	// default uses no proxy, and reads at most 64 KiB of headers.
	Base http.RoundTripper
	// Strip, if not nil, returns a body without the parts in which honest members may
	// differ, such as the time of the answer. It gets canonical JSON, and returns JSON.
	// It must return at once, and be safe for concurrent use.
	Strip func(req *http.Request, body []byte) ([]byte, error)
	// Answers are the statuses that count as answers besides 200 to 299, such as 404.
	// Only the status is then compared, and the body is empty: the bodies of errors
	// differ between members. Redirects are not answers.
	Answers []int
	// MaxBody bounds a member's body after decompression, in bytes. Default 1 MiB.
	MaxBody int64
	// ForwardCredentials sends the request's Authorization and Cookie headers to the
	// members. Each organisation that receives a token can use it at the others:
	// instead, set for each Member a Transport that adds its own token.
	ForwardCredentials bool
	// Other makes the requests that are not GET. Without it they fail.
	Other http.RoundTripper
}

const (
	defaultMaxBody = 1 << 20
	maxHeaderBytes = 64 << 10
)

// Transport is an http.RoundTripper whose GET requests return what several members
// agree on. It is safe for concurrent use.
//
// A request's path and query are appended to each member's base URL; its host is
// ignored. Bodies must be JSON or empty. They are compared in the form of
// CanonicalJSON, together with the status. The response has the body in that form, and
// no header of a member except Content-Type. Credentials, conditions, ranges and
// encodings of the request are not forwarded.
type Transport struct {
	members *Members
	cfg     TransportConfig
	own     *http.Transport // the default Base, nil if there is another
}

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport returns a Transport. Each member needs a Member.URL.
func NewTransport(members *Members, cfg TransportConfig) (*Transport, error) {
	if members == nil {
		return nil, errors.New("quorum: members: nil; want Members")
	}
	for _, m := range members.List() {
		if m.URL == "" {
			return nil, fmt.Errorf("quorum: member %q: url: empty; want a base URL such as https://scan.example.com/api", m.Name)
		}
	}
	for i, s := range cfg.Answers {
		if s < 400 || s > 599 {
			return nil, fmt.Errorf("quorum: answers[%d] %d: want statuses from 400 to 599", i, s)
		}
	}
	if cfg.MaxBody < 0 {
		return nil, fmt.Errorf("quorum: max body %d: want a number of bytes above zero, or 0 for %d", cfg.MaxBody, defaultMaxBody)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if _, _, err := cfg.thresholds(len(members.List())); err != nil {
		return nil, err
	}
	cfg.fit = true
	t := &Transport{members: members, cfg: cfg}
	t.cfg.Answers = slices.Clone(cfg.Answers)
	if cfg.Base == nil {
		t.own = &http.Transport{
			ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeaderBytes, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		}
		t.cfg.Base = t.own
	}
	return t, nil
}

// CloseIdleConnections closes the connections of the default Base that are not in use.
// http.Client's method of the same name calls it.
func (t *Transport) CloseIdleConnections() {
	if t.own != nil {
		t.own.CloseIdleConnections()
	}
}

// page is a member's response as far as it is compared.
type page struct {
	status int
	body   []byte
}

func (p page) key() string { return strconv.Itoa(p.status) + "\n" + string(p.body) }

// statusError is a response that is no answer.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("HTTP status %d", int(e)) }

// RoundTrip implements http.RoundTripper. Without an agreement the error is a
// *NoQuorumError.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != "" {
		if t.cfg.Other != nil {
			return t.cfg.Other.RoundTrip(req)
		}
		closeBody(req)
		return nil, fmt.Errorf("quorum: method %s: want GET, since a request is made several times", req.Method)
	}
	if req.Body != nil && req.Body != http.NoBody {
		closeBody(req)
		return nil, errors.New("quorum: a GET with a body: want none")
	}
	if req.URL.Opaque != "" {
		return nil, errors.New("quorum: a URL without a path, which is opaque: want a path, which is appended to each member's base URL")
	}
	header := t.header(req.Header)
	got, _, err := Read(req.Context(), t.members, t.cfg.Config, func(ctx context.Context, m Member) (page, error) {
		return t.ask(ctx, m, req, header)
	}, page.key)
	if err != nil {
		return nil, err
	}
	return got.response(req), nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// notPassedOn are headers that would make the members' responses differ or be no whole
// ones, or that make sense on one connection only.
var notPassedOn = []string{
	"Accept-Encoding", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
	"Connection", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Upgrade", "Transfer-Encoding", "Expect",
}

func (t *Transport) header(h http.Header) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	for _, name := range notPassedOn {
		h.Del(name)
	}
	if !t.cfg.ForwardCredentials {
		h.Del("Authorization")
		h.Del("Cookie")
	}
	return h
}

// ask makes the request to one member.
func (t *Transport) ask(ctx context.Context, m Member, req *http.Request, header http.Header) (page, error) {
	target, err := at(m.URL, req.URL)
	if err != nil {
		return page{}, err
	}
	one, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody) //nolint:gosec // the members' URLs are the program's own
	if err != nil {
		return page{}, err
	}
	one.Header = header.Clone()
	base := t.cfg.Base
	if m.Transport != nil {
		base = m.Transport
	}
	resp, err := base.RoundTrip(one)
	if err != nil {
		return page{}, err
	}
	if resp == nil || resp.Body == nil {
		return page{}, errors.New("the member's Transport has returned no response, or one without a body")
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case slices.Contains(t.cfg.Answers, resp.StatusCode):
		return page{status: resp.StatusCode}, nil
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return page{}, statusError(resp.StatusCode)
	}
	return t.read(req, resp)
}

// at returns the URL of a request at a member.
func at(base string, of *url.URL) (string, error) {
	if base == "" {
		return "", errors.New("no URL")
	}
	rest := of.EscapedPath()
	if rest != "" && !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	target := strings.TrimSuffix(base, "/") + rest
	if of.RawQuery != "" {
		target += "?" + of.RawQuery
	}
	return target, nil
}

func (t *Transport) read(req *http.Request, resp *http.Response) (page, error) {
	if resp.ContentLength > t.cfg.MaxBody {
		return page{}, &tooLargeError{limit: t.cfg.MaxBody}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.cfg.MaxBody+1))
	switch {
	case err != nil:
		return page{}, err
	case int64(len(body)) > t.cfg.MaxBody:
		return page{}, &tooLargeError{limit: t.cfg.MaxBody}
	case len(body) == 0:
		return page{status: resp.StatusCode}, nil
	}
	text, err := CanonicalJSON(body)
	if err == nil && t.cfg.Strip != nil {
		if text, err = t.cfg.Strip(req, text); err == nil {
			text, err = CanonicalJSON(text)
		}
	}
	if err != nil {
		return page{}, Invalid(err)
	}
	return page{status: resp.StatusCode, body: text}, nil
}

// response returns a response with only what was agreed on.
func (p page) response(req *http.Request) *http.Response {
	header := http.Header{}
	if len(p.body) > 0 {
		header.Set("Content-Type", "application/json")
	}
	return &http.Response{
		Status: strconv.Itoa(p.status) + " " + http.StatusText(p.status), StatusCode: p.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(p.body)), ContentLength: int64(len(p.body)), Request: req,
	}
}
