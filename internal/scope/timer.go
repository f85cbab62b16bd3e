package scope

import "time"

// Lateness is the part of its time by which a timer may be late before what it ends gets
// its time again: this process did not run meanwhile.
const Lateness = 4

// Timer is a timer that belongs to a scope. Its zero value is not armed. The lock of the
// scope guards it, and is held when its methods are called.
type Timer struct{ t *time.Timer }

// Arm has f run with the lock of s held, after d, unless by then s is closed or the timer
// was stopped or armed again. The timer remains armed after that.
func (t *Timer) Arm(s *Scope, d time.Duration, f func()) {
	t.Stop()
	var this *time.Timer
	this = time.AfterFunc(d, func() {
		s.Lock()
		defer s.Unlock()
		if !s.closed && t.t == this {
			f()
		}
	})
	t.t = this
}

// Armed reports whether the timer was armed, and not stopped since.
func (t *Timer) Armed() bool { return t.t != nil }

// Stop stops the timer, if it is armed.
func (t *Timer) Stop() {
	if t.t != nil {
		t.t.Stop()
		t.t = nil
	}
}
