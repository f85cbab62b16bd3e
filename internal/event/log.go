// Package event keeps what has happened of late, in order, for whoever wants to
// follow it.
//
// # Why
//
// Log lines, metrics, a status page and the application all want to hear of the
// same events, each at a pace of its own, and none of them may hold up the one to
// whom they happen. A channel for each would block it or lose what matters most:
// the newest. So there is one bounded [Log], and every [Reader] goes through it by
// itself. One that is too slow finds the oldest events gone, and is told how many.
//
// A Log starts no goroutine, and a Reader needs no closing.
package event

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is what a Reader gets that has read all of a closed Log.
var ErrClosed = errors.New("no more events: closed")

// Log is the newest events. Make one with NewLog. It is safe for concurrent use.
type Log[E any] struct {
	most int

	// mu guards what follows. No other lock is taken under it.
	mu      sync.Mutex
	ring    []E           // the event with number n is at n % most
	next    uint64        // the number of the next event; the first is 0
	closed  bool          // there will be none
	waiting chan struct{} // closed when there is news; nil if nobody waits
}

// NewLog makes a Log that keeps the newest events, most of them at the most.
func NewLog[E any](most int) *Log[E] { return &Log[E]{most: most} }

// Append adds an event, and drops the oldest if there are too many. It never
// waits. A closed Log takes none.
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

// Close ends the Log: readers still get what is in it. It may be called twice.
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

// Events gives a copy of what the Log holds, oldest first.
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

// Reader makes a Reader of the events to come.
func (l *Log[E]) Reader() *Reader[E] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Reader[E]{log: l, next: l.next}
}

// Reader reads a Log from where it stood when the Reader was made. It is for one
// goroutine.
type Reader[E any] struct {
	log  *Log[E]
	next uint64
}

// Next waits for events, and gives all that have come since the last call, oldest
// first. missed is how many more came before these and are gone. It returns the
// error of ctx, or ErrClosed once there is nothing left to come.
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

// take gives what there is, or, if that is nothing, what to wait for.
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
