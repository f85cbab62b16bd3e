package jsonapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// errNotReplayable is the error of an attempt whose body can no longer be sent from its
// beginning.
var errNotReplayable = errors.New("the request's body is too large to be kept for another attempt")

// replay is the body of one request, which each attempt reads from its beginning: by the
// request's GetBody, or from a bounded copy of what was read so far. It is safe for
// concurrent use by the attempts. A request without a body has a nil *replay.
type replay struct {
	getBody func() (io.ReadCloser, error) // nil: none
	most    int64                         // bytes that are kept

	// reading is held while the source is read. mu guards what follows it, and is a leaf
	// lock acquired while reading is held.
	reading sync.Mutex
	mu      sync.Mutex
	source  io.ReadCloser
	kept    []byte
	read    int64 // bytes that the source has returned; more than kept if that was too much
	end     error // of the source, or of reading what getBody has returned
	taken   bool  // an attempt reads the source itself, and getBody makes the others
	open    int   // attempts that have not closed their body
	over    bool  // there will be no more attempts
	closed  bool
}

// newReplay takes over the body of a request.
func newReplay(r *http.Request, most int64) *replay {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	return &replay{source: r.Body, getBody: r.GetBody, most: most}
}

// repeatable reports whether another attempt can send the whole body.
func (b *replay) repeatable() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.getBody != nil || b.read == int64(len(b.kept)) && !b.closed
}

// failed returns the error of the caller's body, other than its end.
func (b *replay) failed() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil || isEnd(b.end) {
		return nil
	}
	return fmt.Errorf("reading the request's body: %w", b.end)
}

// attempt returns the body for one attempt: nil for a request without one.
func (b *replay) attempt() (body io.ReadCloser, err error) {
	if b == nil {
		return nil, nil
	}
	b.mu.Lock()
	if b.getBody == nil {
		defer b.mu.Unlock()
		if b.closed || b.read > int64(len(b.kept)) {
			return nil, errNotReplayable
		}
		b.open++
		return &replayReader{b: b}, nil
	}
	first := !b.taken
	b.taken = true
	b.mu.Unlock()
	if first {
		body = b.source
	} else if body, err = b.getBody(); err != nil {
		return nil, fmt.Errorf("the request's GetBody: %w", err)
	}
	if body != nil && !isInMemory(body) {
		body = &notedBody{ReadCloser: body, b: b}
	}
	return body, nil
}

// peek reads the whole body of a request if it has fewer bytes than are kept, and keeps it
// for the attempts. It is called before the first one. ok is false if the body is larger,
// or cannot be read, which the attempts then meet, or if the caller no longer waits or
// the client is closed.
func (b *replay) peek(r *http.Request, closed <-chan struct{}) (body []byte, ok bool) {
	switch {
	case b == nil:
		return nil, true
	case b.getBody != nil:
		source, err := b.getBody()
		if err != nil {
			return nil, false
		}
		defer func() { _ = source.Close() }() // it was only read
		body, err = readAll(r, closed, source, b.most)
		return body, err == nil
	}
	err := await(r, closed, func() {
		buffer := make([]byte, 4<<10)
		for b.end == nil && b.read < b.most {
			_, _ = b.fetch(buffer[:min(int64(len(buffer)), b.most-b.read)]) // the error is in b.end
		}
	})
	if err != nil {
		return nil, false
	}
	return b.kept, isEnd(b.end)
}

// readAll reads a body of a request that has at most so many bytes. If it has more, the
// error is ErrBodyTooLarge, and what was read is returned as well. If the caller no longer
// waits, or closed is, nothing is returned, and reading goes on until the source is closed.
func readAll(r *http.Request, closed <-chan struct{}, source io.Reader, most int64) ([]byte, error) {
	var data []byte
	var failed error
	err := await(r, closed, func() { data, failed = io.ReadAll(io.LimitReader(source, most+1)) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the request's body: %w", err)
	case failed != nil:
		return data, fmt.Errorf("reading the request's body: %w", failed)
	case int64(len(data)) > most:
		return data, ErrBodyTooLarge
	}
	return data, nil
}

// fetch reads once from the source into p, and keeps what it has read.
func (b *replay) fetch(p []byte) (n int, err error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	return b.fetchLocked(p)
}

func (b *replay) fetchLocked(p []byte) (n int, err error) {
	n, err = b.source.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read == int64(len(b.kept)) && b.read+int64(n) <= b.most {
		b.kept = append(b.kept, p[:n]...)
	} else if n > 0 && b.read == int64(len(b.kept)) && b.open <= 1 {
		b.kept = nil // no other attempt can need it
	}
	b.read += int64(n)
	if err != nil {
		b.end = err
	}
	return n, err
}

// finish says that there will be no more attempts. The source is closed as soon as no
// attempt has it open.
func (b *replay) finish() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.over = true
	toClose := b.toCloseLocked()
	b.mu.Unlock()
	closeBody(toClose)
}

// toCloseLocked returns the source if it is to be closed now.
func (b *replay) toCloseLocked() io.Closer {
	if b.closed || !b.over || b.open > 0 || b.getBody != nil && b.taken {
		return nil // an attempt that reads the source closes it
	}
	b.closed = true
	return b.source
}

func closeBody(c io.Closer) {
	if c != nil {
		_ = c.Close() // as the transports of net/http do
	}
}

// replayReader is the body of one attempt.
type replayReader struct {
	b      *replay
	at     int64
	closed bool // guarded by b.mu
}

// Read returns what is kept, and then what comes.
func (r *replayReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n, err := r.fromKept(p); n > 0 || err != nil {
		return n, err
	}
	r.b.reading.Lock()
	defer r.b.reading.Unlock()
	if n, err := r.fromKept(p); n > 0 || err != nil { // another attempt has read it meanwhile
		return n, err
	}
	n, err := r.b.fetchLocked(p)
	r.at += int64(n)
	return n, err
}

// fromKept returns 0 and no error if the source is to be read.
func (r *replayReader) fromKept(p []byte) (int, error) {
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.closed:
		return 0, http.ErrBodyReadAfterClose
	case r.at < int64(len(b.kept)):
		n := copy(p, b.kept[r.at:])
		r.at += int64(n)
		return n, nil
	case r.at < b.read:
		return 0, errNotReplayable
	default:
		return 0, b.end
	}
}

// Close ends the attempt's use of the body. It may be called during a Read.
func (r *replayReader) Close() error {
	b := r.b
	b.mu.Lock()
	var toClose io.Closer
	if !r.closed {
		r.closed = true
		b.open--
		toClose = b.toCloseLocked()
	}
	b.mu.Unlock()
	closeBody(toClose)
	return nil
}
