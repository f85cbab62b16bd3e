package selector

import (
	"sync"
	"time"
)

// Chooser keeps a State for its owner: it takes in each event at the time at which
// it happens, and wakes the State when its time comes. The lock of its owner guards
// it.
type Chooser struct {
	// State is the newest. It is for reading; Choose changes it.
	State

	lock sync.Locker
	// changed is told of every event that was taken in: of the state before and of
	// the effects. It runs under the lock.
	changed func(before State, e Effects)
	wake    *time.Timer // nil: nothing happens by itself
	stopped bool
}

// NewChooser makes a Chooser. lock is its owner's, which a wake takes.
func NewChooser(cfg Config, lock sync.Locker, changed func(before State, e Effects)) *Chooser {
	return &Chooser{State: New(cfg), lock: lock, changed: changed}
}

// Choose takes in an event, whose time is now. The error is nil unless a command was
// refused, with a *RefusedError; then nothing has changed.
func (c *Chooser) Choose(e Event) error {
	e.At = time.Now()
	before := c.State
	next, effects := before.Next(e)
	if effects.Refused != nil {
		return effects.Refused
	}
	c.State = next
	c.arm(effects.Wake, e.At)
	c.changed(before, effects)
	return nil
}

// Stop ends the wakes for good.
func (c *Chooser) Stop() {
	c.stopped = true
	c.arm(time.Time{}, time.Time{})
}

// Waits tells whether a wake is to come.
func (c *Chooser) Waits() bool { return c.wake != nil }

// arm has the State woken at a time, zero for never.
func (c *Chooser) arm(at, now time.Time) {
	if c.wake != nil {
		c.wake.Stop()
		c.wake = nil
	}
	if at.IsZero() || c.stopped {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(at.Sub(now), func() {
		c.lock.Lock()
		defer c.lock.Unlock()
		if c.wake == t {
			_ = c.Choose(Event{Kind: EventTime}) // is no command
		}
	})
	c.wake = t
}

// Bell asks a searcher to ask everybody, soon and once, however often it is rung
// meanwhile.
type Bell chan struct{}

// NewBell makes a Bell. The searcher receives from it.
func NewBell() Bell { return make(Bell, 1) }

// Ring rings the bell. It never blocks.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
