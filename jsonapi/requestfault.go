package jsonapi

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
)

// The texts by which the errors of net/http are known that are about the request itself: it
// exports none of them.
var (
	// wrongLength are parts of those that mean that the body is not as long as the request's
	// ContentLength says.
	wrongLength = []string{"http: ContentLength=", "http2: request body larger than specified content length"}
	// unwritable are parts of those that mean that a request cannot be written, although the
	// connection works, and unwritable2 the beginnings of those for HTTP/2.
	unwritable = []string{
		"http: Request.ContentLength=", "can't write control character in Request.URL", "idna: ", "invalid Trailer key",
	}
	unwritable2 = []string{"http2: invalid ", "http2: request header list larger than peer's advertised limit"}
)

// has reports whether a text has one of these parts.
func has(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// isWrongLength reports whether an attempt has failed since the body is not as long as the
// request's ContentLength says.
func isWrongLength(err error) bool { return has(err.Error(), wrongLength) }

// isUnwritable reports whether an attempt has failed since the request cannot be written.
// sent says that something may have left on its connection, which in HTTP/2 may be of other
// requests.
func isUnwritable(err error, sent bool) bool {
	text := err.Error()
	return slices.ContainsFunc(unwritable2, func(part string) bool { return strings.HasPrefix(text, part) }) ||
		!sent && has(text, unwritable)
}

var ofNopCloser = reflect.TypeOf(io.NopCloser(strings.NewReader("")))

// isInMemory reports whether a body is one that http.NewRequest makes of a reader in memory.
// Reading it does not fail, and net/http sends it together with the header if it is of no
// other type.
func isInMemory(body io.ReadCloser) bool {
	v := reflect.ValueOf(body)
	if !v.IsValid() || v.Type() != ofNopCloser {
		return false
	}
	switch v.Field(0).Interface().(type) {
	case *bytes.Buffer, *bytes.Reader, *strings.Reader:
		return true
	}
	return false
}

// isEnd reports whether an error of a body is its end, as net/http decides it: one that
// wraps io.EOF says that something on the way has ended, such as a connection.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // see above

// notedBody is a body that tells its replay why it cannot be read.
type notedBody struct {
	io.ReadCloser

	b      *replay
	closed atomic.Bool // by an attempt that has ended, whose Read may still be under way
}

func (n *notedBody) Read(p []byte) (int, error) {
	size, err := n.ReadCloser.Read(p)
	if err != nil && !isEnd(err) && !n.closed.Load() {
		n.b.mu.Lock()
		defer n.b.mu.Unlock()
		n.b.end = err
	}
	return size, err
}

func (n *notedBody) Close() error {
	n.closed.Store(true)
	return n.ReadCloser.Close()
}
