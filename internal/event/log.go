// Package event keeps the newest events, in order, for readers that follow them.
//
// # Why
//
// Log lines, metrics, a status page and the application all read the same events,
// each at its own pace, and none of them may delay the code that reports the
// events. A channel for each reader would block that code or lose the newest
// events, which matter most. Instead there is one bounded [Log], and every [Reader]
// reads it independently. A Reader that is too slow misses the oldest events, and
// learns how many.
//
// A Log starts no goroutine, and a Reader needs no closing.
package event

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is returned to a Reader that has read all events of a closed Log.
var ErrClosed = errors.New("no more events: closed")

// Log holds the newest events. Make one with NewLog. It is safe for concurrent use.
type Log[E any] struct {
	most int

	// mu guards the fields below. No other lock is acquired while it is held.
	mu      sync.Mutex
	ring    []E           // the event with number n is at n % most
	next    uint64        // the number of the next event; the first is 0
	closed  bool          // no more events are added
	waiting chan struct{} // closed when there are new events; nil if no reader waits
}

// NewLog returns a Log that keeps the newest events, at most most of them.
func NewLog[E any](most int) *Log[E] { return &Log[E]{most: most} }

// Append adds an event, and drops the oldest if there are too many. It never
// blocks. On a closed Log it does nothing.
func (l *Log[E]) Append(e E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if len(l.ring) < l.most {
		l.ring = append(l.ring, e)
	} else {
		l.ring[l.next%uint64(l.most)] = e
	}
	l.next++
	l.wakeLocked()
}

// Close closes the Log. Readers can still read the events in it. It may be called
// more than once.
func (l *Log[E]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wakeLocked()
}

func (l *Log[E]) wakeLocked() {
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// Events returns a copy of the events in the Log, oldest first.
func (l *Log[E]) Events() []E {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sinceLocked(l.next - uint64(len(l.ring)))
}

func (l *Log[E]) sinceLocked(n uint64) []E {
	out := make([]E, 0, l.next-n)
	for ; n < l.next; n++ {
		out = append(out, l.ring[n%uint64(l.most)])
	}
	return out
}

// Reader returns a Reader of the events from now on.
func (l *Log[E]) Reader() *Reader[E] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Reader[E]{log: l, next: l.next}
}

// Reader reads the events of a Log that were added after the Reader was made. It is
// for one goroutine.
type Reader[E any] struct {
	log  *Log[E]
	next uint64
}

// Next waits for events, and returns all events since the last call, oldest first.
// missed is how many events before these were dropped. It returns the error of ctx,
// or ErrClosed once the Log is closed and all events have been read.
func (r *Reader[E]) Next(ctx context.Context) (events []E, missed uint64, err error) {
	for {
		events, missed, wait, err := r.take()
		if wait == nil {
			return events, missed, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// take returns the unread events, or, if there are none, a channel to wait on.
func (r *Reader[E]) take() (events []E, missed uint64, wait <-chan struct{}, err error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.next < l.next:
		oldest := max(r.next, l.next-uint64(len(l.ring)))
		events, missed = l.sinceLocked(oldest), oldest-r.next
		r.next = l.next
		return events, missed, nil, nil
	case l.closed:
		return nil, 0, nil, ErrClosed
	case l.waiting == nil:
		l.waiting = make(chan struct{})
	}
	return nil, 0, l.waiting, nil
}
