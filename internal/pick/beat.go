package pick

import (
	"sync/atomic"
	"time"
)

// beat shows whether this process runs: a timer fires all the time, and is late after
// the process was stopped, or while its goroutines have to wait for a processor. The
// zero value is of a process that runs.
type beat struct {
	due  atomic.Int64 // when the timer fires next, on the room's clock; 0 means that there is none
	late atomic.Int64 // how late it was when it was much too late
	at   atomic.Int64 // when that was
}

const (
	// leastLate is how late the timer is at least if it is much too late.
	leastLate = 100 * time.Millisecond
	// lateFor is how long that matters: calls whose deadlines passed meanwhile end soon
	// afterwards.
	lateFor = time.Second
	// lateShare is the part of a call's patience by which the timer may be late.
	lateShare = 4
)

// Beat notes when the timer fires next.
func (r *Room) Beat(due time.Time) { r.beat.due.Store(int64(max(1, due.Sub(r.opened)))) }

// Late notes how late the timer has fired.
func (r *Room) Late(late time.Duration) {
	now := int64(r.now())
	if late < leastLate || int64(late) < r.beat.late.Load() && now < r.beat.at.Load()+int64(lateFor) {
		return
	}
	r.beat.late.Store(int64(late))
	r.beat.at.Store(now)
}

// Stalled reports whether this process did not run for an essential part of the time that
// ends now and has lasted for d.
func (r *Room) Stalled(d time.Duration) bool { return r.beat.stalled(r.now(), d) }

// stalled reports whether this process did not run for an essential part of the time
// that ends now and has lasted for patience.
func (b *beat) stalled(now, patience time.Duration) bool {
	limit := max(leastLate, patience/lateShare)
	due := time.Duration(b.due.Load())
	if due == 0 {
		return false
	}
	return now-due > limit || time.Duration(b.late.Load()) > limit && now-time.Duration(b.at.Load()) < lateFor
}
