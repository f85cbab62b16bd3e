package guard

import (
	"slices"
	"time"
)

const (
	// tellTick is how often the calls of Tell that have not returned are looked at.
	tellTick = 50 * time.Millisecond
	// tellTicks is at which look Tell stops waiting.
	tellTicks = 3
	// mostTellings bounds the calls of Tell that have not returned, and what a Left keeps
	// for further ones.
	mostTellings = 16
)

// Tell calls f, with which code of the program only learns something, and waits for
// it, for 0.1 to 0.15 s at most: then it is left alone, and counted in left as what.
// While 16 such calls have not returned, f is not called. It reports whether f has
// returned. A panic of f is logged.
//
// An observed call makes two of these, so Tell is less than Await: it has no context,
// no result and no timer of its own, and what it allocates is used again.
func Tell(left *Left, what string, f func()) bool {
	t := left.begin(what, f)
	if t == nil {
		return false
	}
	go t.run()
	ok := <-t.done
	left.end(t)
	return ok
}

// told are the calls of Tell of one Left. They are guarded by the lock of the Left.
type told struct {
	waiting []*telling  // for their f, in no order
	idle    []*telling  // to be used again
	timer   *time.Timer // fires while there are any
	armed   bool
}

// telling is one call of Tell.
type telling struct {
	of   *Left
	run  func() // its method call, made once
	done chan bool

	what  string
	f     func()
	at    int  // its index among those that wait
	ticks int  // how often it was looked at
	left  bool // it waits no longer, although f has not returned
}

// begin returns a call that waits; nil if as many as are allowed have not returned.
func (l *Left) begin(what string, f func()) *telling {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[what] >= mostTellings {
		return nil
	}
	w := &l.told
	var t *telling
	if n := len(w.idle); n > 0 {
		t = w.idle[n-1]
		w.idle = w.idle[:n-1]
	} else {
		t = &telling{of: l, done: make(chan bool, 1)}
		t.run = t.call
	}
	t.what, t.f, t.ticks, t.at = what, f, 0, len(w.waiting)
	w.waiting = append(w.waiting, t)
	l.armLocked()
	return t
}

// armLocked has tick called if that is not certain already. The timer is not stopped
// when nothing waits any longer, which would cost each call more than it does.
func (l *Left) armLocked() {
	switch w := &l.told; {
	case w.armed:
		return
	case w.timer == nil:
		w.timer = time.AfterFunc(tellTick, l.tick)
	default:
		w.timer.Reset(tellTick)
	}
	l.told.armed = true
}

// tick has the calls of Tell return that have waited long enough.
func (l *Left) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.told
	for _, t := range slices.Clone(w.waiting) {
		if t.ticks++; t.ticks == tellTicks {
			l.removeLocked(t)
			t.left = true
			l.addLocked(t.what, 1)
			t.done <- false
		}
	}
	if w.armed = false; len(w.waiting) > 0 {
		l.armLocked()
	}
}

func (l *Left) removeLocked(t *telling) {
	w := &l.told
	n := len(w.waiting) - 1
	last := w.waiting[n]
	w.waiting[t.at], last.at = last, t.at
	w.waiting = w.waiting[:n]
}

// call calls f, which may end its goroutine.
func (t *telling) call() {
	ok := false
	defer func() { t.returned(ok) }()
	ok = Call(t.what, t.f)
}

func (t *telling) returned(ok bool) {
	l := t.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.left {
		l.addLocked(t.what, -1)
		return
	}
	l.removeLocked(t)
	t.done <- ok
}

// end keeps a call that has returned, to be used again.
func (l *Left) end(t *telling) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.left && len(l.told.idle) < mostTellings {
		t.f = nil
		l.told.idle = append(l.told.idle, t)
	}
}
