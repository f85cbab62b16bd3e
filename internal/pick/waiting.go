package pick

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
)

// waiting is the queue of the calls that wait for a stream. Only the first looks for
// one, when a stream has ended: with thousands of calls, nearly all of the processor time
// would otherwise go into calls that look in vain. That is why they do not wait for
// grpc to pick again, which wakes all of them with each snapshot. A pick should not
// block, says grpc, but it is made in the goroutine of the call, without a lock, and
// grpc blocks it in the same place. A parent policy may meanwhile have turned to another
// child, though, of which this package learns nothing: a call that has waited for
// mostWait has a new snapshot published, and goes back to grpc, which picks again from
// whatever is then in use. All calls leave the queue when another snapshot
// is published, and pick from that. So none is sent to an endpoint that is no longer
// picked.
//
// A stream that ends is not missed: it wakes the first, and a call that leaves the
// queue as the first wakes the next one while there is a stream.
type waiting struct {
	n atomic.Int32 // how many wait

	mu          sync.Mutex
	published   balancer.Picker // calls with another one do not wait
	first, last *waiter
}

// waiter is a call that waits.
type waiter struct {
	picker     *Picker
	turn       chan struct{} // receives when the call has to look again; capacity 1
	superseded atomic.Bool   // publish has removed it; set under waiting.mu
	prev, next *waiter       // guarded by waiting.mu, as is its place
}

// wake has the call look again.
func (w *waiter) wake() {
	select {
	case w.turn <- struct{}{}:
	default:
	}
}

// any reports whether a call waits.
func (q *waiting) any() bool { return q.n.Load() > 0 }

// freed wakes the first call, if there is one, since a stream may have ended.
func (q *waiting) freed() {
	if q.any() {
		q.wakeFirst()
	}
}

func (q *waiting) wakeFirst() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first != nil {
		q.first.wake()
	}
}

// publish ends the wait of all calls, which have another picker than next.
func (q *waiting) publish(next balancer.Picker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.published = next
	for w := q.first; w != nil; w = w.next {
		w.superseded.Store(true)
		w.wake()
	}
	q.first, q.last = nil, nil
	q.n.Store(0)
}

// newest returns the picker that was published last.
func (q *waiting) newest() balancer.Picker {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.published
}

// mostWait is how long a call waits in its pick. After it the call loses its place, so
// it is longer than calls usually wait.
const mostWait = 5 * time.Second

// await waits until it is the call's turn and look returns true, until ctx ends, until
// the picker is superseded, or for mostWait. In the last case it calls tooLong.
func (q *waiting) await(ctx context.Context, p *Picker, look func() bool, tooLong func()) {
	w := &waiter{picker: p, turn: make(chan struct{}, 1)}
	if !q.join(w) {
		return
	}
	defer q.leave(w)
	timer := time.NewTimer(mostWait)
	defer timer.Stop()
	for {
		select {
		case <-w.turn:
		case <-ctx.Done():
			return
		case <-timer.C:
			if !w.superseded.Load() {
				tooLong()
			}
			return
		}
		if w.superseded.Load() || look() {
			return
		}
	}
}

// join appends a call. The first has to look at once: a stream that ended before has
// woken no one.
func (q *waiting) join(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.published != w.picker {
		return false
	}
	q.n.Add(1)
	w.prev = q.last
	q.last = w
	if w.prev != nil {
		w.prev.next = w
		return true
	}
	q.first = w
	w.wake()
	return true
}

// leave removes a call, and wakes the next one if there is a stream for it.
func (q *waiting) leave(w *waiter) {
	q.mu.Lock()
	if w.superseded.Load() {
		q.mu.Unlock()
		return
	}
	wasFirst := q.first == w
	if wasFirst {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if q.last == w {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	q.n.Add(-1)
	q.mu.Unlock()
	if wasFirst && w.picker.from(0) != nil {
		q.freed()
	}
}
