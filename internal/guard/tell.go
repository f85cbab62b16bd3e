package guard

import (
	"sync/atomic"
	"time"
)

const (
	// tellPatience is how long Tell waits.
	tellPatience = 150 * time.Millisecond
	// mostTellings bounds the calls of Tell that have not returned.
	mostTellings = 16
	// mostIdle bounds what a Left keeps for further calls of Tell.
	mostIdle = 16
)

// Tell calls f, with which code of the program only learns something, and waits for
// it, at most for 0.15 s: then it is left alone, and counted in left as what. While 16
// such calls have not returned, f is not called. It reports whether f has returned. A
// panic of f is logged.
//
// An observed call makes two of these, so Tell is less than Await: it has no context
// and no result, and what it allocates is used again.
func Tell(left *Left, what string, f func()) bool {
	if left.Of(what) >= mostTellings {
		return false
	}
	t := left.telling()
	t.what, t.f = what, f
	t.timer.Reset(tellPatience)
	go t.run()
	select {
	case ok := <-t.done:
		t.timer.Stop()
		left.reuse(t)
		return ok
	case <-t.timer.C:
	}
	left.add(what, 1)
	if t.left.CompareAndSwap(false, true) {
		return false
	}
	left.add(what, -1)
	return <-t.done
}

// telling is one call of Tell.
type telling struct {
	among *Left
	run   func() // its method call, made once
	done  chan bool
	timer *time.Timer

	what string
	f    func()
	left atomic.Bool // set when Tell stops waiting, or when f has returned
}

func (t *telling) call() {
	ok := Call(t.what, t.f)
	if !t.left.CompareAndSwap(false, true) {
		t.among.add(t.what, -1)
		return
	}
	t.done <- ok
}

// telling returns one that is not in use.
func (l *Left) telling() *telling {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		t := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return t
	}
	t := &telling{among: l, done: make(chan bool, 1), timer: time.NewTimer(tellPatience)}
	t.run = t.call
	return t
}

// reuse takes back one whose f has returned.
func (l *Left) reuse(t *telling) {
	t.f = nil
	t.left.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.idle) < mostIdle {
		l.idle = append(l.idle, t)
	}
}
