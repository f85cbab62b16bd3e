package jsonapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// receive makes a response of an endpoint one of the logical host, whose body ends the
// flight.
func (t *call) receive(f *flight, resp *http.Response) {
	at := resp.Request.URL
	resp.Request = t.req
	for _, field := range [...]string{"Location", "Content-Location"} {
		if to := resp.Header[field]; len(to) > 0 {
			to[0] = t.client.pool.cfg.logical.mapBack(to[0], t.req.URL.Scheme, at, &f.endpoint.at, t.client.servers())
		}
	}
	hideToken(t.req.Header, resp.Header)
	if resp.Body == nil || resp.Body == http.NoBody {
		f.over()
		return
	}
	b := &responseBody{ReadCloser: resp.Body, flight: f}
	if w, ok := resp.Body.(io.Writer); ok {
		f.upgraded.Store(true)
		inner := resp.Body
		f.onKill(func() { _ = inner.Close() }) // the reader meets the flight's error
		resp.Body = &upgradedBody{responseBody: b, w: w}
		return
	}
	resp.Body = b
}

// responseBody is the body of a response. It ends the flight once it is read or closed.
type responseBody struct {
	io.ReadCloser

	flight *flight
	ended  atomic.Bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.flight.arrived()
	}
	switch {
	case err == nil:
	case isEnd(err):
		b.end()
	default:
		if why := b.flight.why(); why != nil && !errors.Is(why, errOver) {
			err = fmt.Errorf("jsonapi: endpoint %q: %w", b.flight.endpoint.at.Name, why)
		} else {
			err = cleaned(err) // a part of the trailer may be in it
		}
		b.end()
	}
	return n, err
}

// Close ends the response.
func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

func (b *responseBody) end() {
	if b.ended.CompareAndSwap(false, true) {
		b.flight.over()
	}
}

// upgradedBody is the connection after an upgrade.
type upgradedBody struct {
	*responseBody

	w io.Writer
}

func (b *upgradedBody) Write(p []byte) (int, error) { return b.w.Write(p) }

// CloseWrite closes the sending side, if the connection can do that.
func (b *upgradedBody) CloseWrite() error {
	if c, ok := b.w.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("CloseWrite: %w", http.ErrNotSupported)
}

// done is the response to a DELETE whose effect an earlier attempt has had already.
func done(resp *http.Response) *http.Response {
	isJSON := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
	_ = resp.Body.Close() // it says that there is nothing to delete
	out := *resp
	out.Header = resp.Header.Clone()
	for _, field := range [...]string{"Content-Length", "Content-Encoding", "Transfer-Encoding", "Content-Type"} {
		out.Header.Del(field)
	}
	out.TransferEncoding, out.Trailer, out.Uncompressed = nil, nil, false
	if !isJSON {
		out.StatusCode, out.Status = http.StatusNoContent, "204 No Content"
		out.Body, out.ContentLength = http.NoBody, 0
		return &out
	}
	const empty = "{}"
	out.StatusCode, out.Status = http.StatusOK, "200 OK"
	out.Header.Set("Content-Type", "application/json")
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader([]byte(empty))), int64(len(empty))
	return &out
}
