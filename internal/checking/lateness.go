package checking

import (
	"runtime"
	"sync"
	"time"
)

// A timeout is evidence against a server only if this process ran meanwhile. If it was
// stopped, or its goroutines had to wait for a processor, the answer may have been
// there in time and nobody has read it.
const (
	// ticks is how many times in the deadline of a probe the process is observed.
	ticks = 8
	// mostLate is the part of its deadline by which a timer may be late. An answer
	// passes through about as many goroutines before the probe returns.
	mostLate = 4
	// mostPatience is how many times its deadline a probe may take at most while the
	// process is late, so that a server that hangs is found even if it always is.
	mostPatience = 16
)

// lateness observes how late this process runs. A timer wakes it up, and then it
// queues behind the goroutines that are ready to run, as the readers of connections
// do.
type lateness struct {
	every time.Duration

	mu    sync.Mutex
	timer *time.Timer
	due   time.Time // of the next tick
	worst time.Duration
	done  bool
}

// observe begins to observe the process until stop.
func observe(every time.Duration) *lateness {
	l := &lateness{every: every}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = time.Now().Add(every)
	l.timer = time.AfterFunc(every, l.tick)
	return l
}

func (l *lateness) tick() {
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return
	}
	l.noteLocked()
	l.timer.Reset(l.every)
}

// noteLocked notes how late it is, and when the next tick is due.
func (l *lateness) noteLocked() {
	now := time.Now()
	l.worst = max(l.worst, now.Sub(l.due))
	l.due = now.Add(l.every)
}

// stop ends the observation, and returns the greatest lateness. That of a tick that is
// overdue counts.
func (l *lateness) stop() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		l.done = true
		l.timer.Stop()
		l.noteLocked()
	}
	return l.worst
}
