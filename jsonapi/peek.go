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
// of unknown length is read until its end. The error is ErrBodyTooLarge, that of reading,
// or that of the request's context if it ends first; then the body cannot be sent any more,
// and has to be closed.
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
		if body, err = readAll(r, nil, copied, most); err != nil {
			return nil, r, peekError(err)
		}
		return body, r, nil
	}
	body, err = readAll(r, nil, r.Body, most)
	next = r.WithContext(r.Context())
	if err != nil && body == nil { // the body is still being read
		next.Body = rest{unreadable{err}, r.Body}
		return nil, next, peekError(err)
	}
	next.Body = rest{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	if err != nil {
		return nil, next, peekError(err)
	}
	next.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return body, next, nil
}

func peekError(err error) error {
	if errors.Is(err, ErrBodyTooLarge) {
		return err
	}
	return fmt.Errorf("jsonapi: %w", err)
}

// unreadable is a reader that fails.
type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }

// rest is a body of which a part was read already.
type rest struct {
	io.Reader
	io.Closer
}
