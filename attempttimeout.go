package cantonlb

import (
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// attemptLimit calls off the attempts of one call that take too long.
type attemptLimit struct {
	record *attempt.Record
	limit  time.Duration

	mu    sync.Mutex // no other lock is taken while it is held
	timer *time.Timer
	over  bool
}

// limitAttempts limits the attempts of a call until end is called. It returns nil if
// there is no limit.
func (r *rescuer) limitAttempts(record *attempt.Record) *attemptLimit {
	if r.attemptTimeout <= 0 || !record.Rescuable {
		return nil
	}
	record.TimesOut = true
	l := &attemptLimit{record: record, limit: r.attemptTimeout}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.limit, l.look)
	return l
}

// look calls off the newest attempt if it has taken too long. The timer calls it.
func (l *attemptLimit) look() {
	wait, ok := l.record.TimeOut(l.limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok && !l.over {
		l.timer.Reset(wait)
	}
}

// end ends the limit. It may be called on a nil attemptLimit.
func (l *attemptLimit) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.timer.Stop()
}
