package selector

import (
	"sync"
	"time"
)

// Chooser keeps a State for its owner. It applies each event with the current time,
// and applies an EventTime when a wake is due. Its owner's lock guards it.
type Chooser struct {
	// State is the current state. Only Choose changes it.
	State

	lock sync.Locker
	// changed is called after every event, with the previous state and the effects.
	// It runs under the lock.
	changed func(before State, e Effects)
	wake    *time.Timer // nil: no wake is scheduled
	stopped bool
}

// NewChooser returns a Chooser. lock is its owner's lock, which a wake acquires.
func NewChooser(cfg Config, lock sync.Locker, changed func(before State, e Effects)) *Chooser {
	return &Chooser{State: New(cfg), lock: lock, changed: changed}
}

// Choose applies an event that happens now. The error is nil, or a *RefusedError if
// a command was refused; nothing has changed then. After Stop it does nothing.
func (c *Chooser) Choose(e Event) error {
	if c.stopped {
		return nil
	}
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

// Stop ends all wakes and the choice: no member is active from now on.
func (c *Chooser) Stop() {
	c.stopped = true
	c.State = c.State.ended(time.Now())
	c.arm(time.Time{}, time.Time{})
}

// Waits reports whether a wake is scheduled.
func (c *Chooser) Waits() bool { return c.wake != nil }

// arm schedules a wake at a time; zero means never.
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
			_ = c.Choose(Event{Kind: EventTime}) // not a command, so never refused
		}
	})
	c.wake = t
}

// Bell asks a searcher to probe all members. Several rings before the searcher
// receives count as one.
type Bell chan struct{}

// NewBell returns a Bell. The searcher receives from it.
func NewBell() Bell { return make(Bell, 1) }

// Ring rings the bell. It never blocks.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
