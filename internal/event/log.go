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
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrClosed is returned to a Reader that has read all events of a closed Log.
var ErrClosed = errors.New("no more events: closed")

// Log holds the newest events. Make one with NewLog or NewMixedLog. It is safe for
// concurrent use.
type Log[E any] struct {
	most  int
	minor func(E) bool // nil: none is minor

	// mu guards the fields below. No other lock is acquired while it is held.
	mu      sync.Mutex
	kept    [2][]numbered[E] // oldest first; the minor ones are apart
	next    uint64           // the number of the next event; the first is 0
	closed  bool             // no more events are added
	waiting chan struct{}    // closed when there are new events; nil if no reader waits
}

// numbered is an event with its number.
type numbered[E any] struct {
	number uint64
	event  E
}

// The indexes of Log.kept.
const (
	others = iota
	minors
)

// NewLog returns a Log that keeps the newest events, at most most of them.
func NewLog[E any](most int) *Log[E] { return &Log[E]{most: most} }

// NewMixedLog is like NewLog, except that minor events do not displace others from
// three quarters of the Log: if there are too many events, a minor one is dropped
// while more than a quarter of most are minor. most is at least 4.
func NewMixedLog[E any](most int, minor func(E) bool) *Log[E] {
	return &Log[E]{most: most, minor: minor}
}

// Append adds an event, and drops an old one if there are too many. It never blocks.
// On a closed Log it does nothing.
func (l *Log[E]) Append(e E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	to := others
	if l.minor != nil && l.minor(e) {
		to = minors
	}
	l.kept[to] = append(l.kept[to], numbered[E]{l.next, e})
	if len(l.kept[others])+len(l.kept[minors]) > l.most {
		from := others
		if len(l.kept[minors]) > l.most/4 || len(l.kept[others]) == 0 {
			from = minors
		}
		l.kept[from][0] = numbered[E]{} // so that it can be collected
		l.kept[from] = l.kept[from][1:]
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
	return l.sinceLocked(0)
}

// sinceLocked returns the events from the number n on.
func (l *Log[E]) sinceLocked(n uint64) []E {
	a, b := from(l.kept[others], n), from(l.kept[minors], n)
	out := make([]E, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		first := &a
		if len(a) == 0 || len(b) > 0 && b[0].number < a[0].number {
			first = &b
		}
		out = append(out, (*first)[0].event)
		*first = (*first)[1:]
	}
	return out
}

// from returns the events from the number n on.
func from[E any](list []numbered[E], n uint64) []numbered[E] {
	i, _ := slices.BinarySearchFunc(list, n, func(e numbered[E], n uint64) int { return cmp.Compare(e.number, n) })
	return list[i:]
}

// Reader returns a Reader of the events from now on.
func (l *Log[E]) Reader() *Reader[E] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Reader[E]{log: l, next: l.next}
}

// ReaderFrom returns a Reader of the events from the number n on; the first event of
// the Log has the number 0.
func (l *Log[E]) ReaderFrom(n uint64) *Reader[E] { return &Reader[E]{log: l, next: n} }

// Reader reads the events of a Log. It is for one goroutine.
type Reader[E any] struct {
	log  *Log[E]
	next uint64
}

// Next waits for events, and returns all events since the last call, oldest first.
// missed is how many events before these were dropped. It returns the error of ctx,
// or ErrClosed once the Log is closed and all events have been read.
func (r *Reader[E]) Next(ctx context.Context) (events []E, missed uint64, err error) {
	for {
		events, missed, wait, err := r.take(true)
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

// Batches yields first, and then a batch, made by of, for all events of the meantime
// whenever there are some. It ends with ctx, when the Log is closed and all events have
// been read, or when yield returns false.
func Batches[E, B any](ctx context.Context, r *Reader[E], first B, of func(events []E, missed uint64) B, yield func(B) bool) {
	for batch := first; yield(batch); {
		events, missed, err := r.Next(ctx)
		if err != nil {
			return
		}
		batch = of(events, missed)
	}
}

// Read returns the events that Next would return at once. It does not wait.
func (r *Reader[E]) Read() (events []E, missed uint64) {
	events, missed, _, _ = r.take(false)
	return events, missed
}

// take returns the unread events, or, if there are none and it may wait, a channel to
// wait on.
func (r *Reader[E]) take(wait bool) (events []E, missed uint64, more <-chan struct{}, err error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.next < l.next:
		events = l.sinceLocked(r.next)
		missed = l.next - r.next - uint64(len(events))
		r.next = l.next
		return events, missed, nil, nil
	case l.closed:
		return nil, 0, nil, ErrClosed
	case !wait:
		return nil, 0, nil, nil
	case l.waiting == nil:
		l.waiting = make(chan struct{})
	}
	return nil, 0, l.waiting, nil
}
