package jsonapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrBodyTooLarge is the error of Peek for a body that is larger than what may be read.
var ErrBodyTooLarge = errors.New("jsonapi: the request's body is too large to be read beforehand")

// Peek reads the body of a request, of at most so many bytes, without using it up: what is
// sent on is the request that Peek returns, in place of r, also after an error. It is for
// an http.RoundTripper that chooses among several clients by what a request says. A body
// of unknown length is read until its end. The error is ErrBodyTooLarge, or that of
// reading.
func Peek(r *http.Request, most int64) (body []byte, next *http.Request, err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, r, nil
	}
	if r.ContentLength > most {
		return nil, r, ErrBodyTooLarge
	}
	if r.GetBody != nil {
		copied, err := r.GetBody()
		if err != nil {
			return nil, r, fmt.Errorf("jsonapi: the request's GetBody: %w", err)
		}
		defer func() { _ = copied.Close() }() // it was only read
		body, ok := readAll(copied, most)
		if !ok {
			return nil, r, ErrBodyTooLarge
		}
		return body, r, nil
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, most+1))
	next = r.WithContext(r.Context())
	next.Body = rest{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	switch {
	case err != nil:
		return nil, next, fmt.Errorf("jsonapi: reading the request's body: %w", err)
	case int64(len(body)) > most:
		return nil, next, ErrBodyTooLarge
	}
	next.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return body, next, nil
}

// rest is a body of which a part was read already.
type rest struct {
	io.Reader
	io.Closer
}
