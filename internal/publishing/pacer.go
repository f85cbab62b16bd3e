// Package publishing decides when a new snapshot is published.
//
// # Why
//
// Thousands of endpoints that start up or fail together change as many times. If each
// change were published, all of them would be copied each time. A [Pacer] publishes once
// for all changes until then, and rests after that. What must not wait publishes at once.
package publishing

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/scope"
)

// Draft is a publication that was decided on.
type Draft struct {
	// Publish publishes the snapshot. It is called without the lock, in the queue of calls.
	Publish func()
	// Published is called with the lock held after that.
	Published func()
	// Growing is the number of endpoints if some of them are undecided, so that more
	// changes are to be expected, and 0 otherwise.
	Growing int
}

// Pacer publishes snapshots of what the lock of a scope guards. Only the queue of the
// scope's calls publishes, so that snapshots arrive in order and one at a time. The lock is
// held when its methods are called, except Now.
type Pacer struct {
	in    *scope.Scope
	draft func() Draft

	dirty  bool        // the published snapshot is out of date
	held   bool        // an update is under way, and publishes at its end
	due    bool        // a publication is queued, under way, or waits for the timer
	rested time.Time   // no publication before then, unless something waits for it
	timer  scope.Timer // ends the rest
}

// NewPacer returns a Pacer that publishes what draft returns, which is called with the lock
// held.
func NewPacer(in *scope.Scope, draft func() Draft) *Pacer { return &Pacer{in: in, draft: draft} }

// Mark has a new snapshot published soon, once for all changes until then.
func (p *Pacer) Mark() {
	p.dirty = true
	if p.held || p.due || p.in.Closed() {
		return
	}
	p.due = true
	if rest := time.Until(p.rested); rest > 0 {
		p.timer.Arm(p.in, rest, p.wakeUp)
	} else {
		p.in.Do(p.run)
	}
}

// Outdate notes that the published snapshot is out of date. The caller calls Now soon.
func (p *Pacer) Outdate() { p.dirty = true }

// Stale reports whether the published snapshot is out of date.
func (p *Pacer) Stale() bool { return p.dirty }

// Idle reports whether no publication is due, for tests.
func (p *Pacer) Idle() bool { return !p.dirty && !p.due }

// Hold sets whether an update is under way that calls Now at its end.
func (p *Pacer) Hold(on bool) { p.held = on }

// EndRest ends the rest.
func (p *Pacer) EndRest() {
	p.rested = time.Time{}
	if p.timer.Armed() {
		p.wakeUp()
	}
}

// Stop stops the timer, when the scope is closed.
func (p *Pacer) Stop() { p.timer.Stop() }

func (p *Pacer) wakeUp() {
	p.timer.Stop()
	p.in.Do(p.run)
}

// After a publication the pacer rests: for many times as long as the publication took, and
// at least restPerHundred for each hundred endpoints while some of them are undecided, but
// at most maxRest. So thousands of endpoints that start up together are not copied thousands
// of times. The rest ends when the last of them is decided. Only calls for which no endpoint
// was eligible wait for the rest to end: an endpoint that becomes ineligible is skipped at
// once.
const (
	restPerWork    = 9
	restPerHundred = 100 * time.Microsecond
	maxRest        = 20 * time.Millisecond
)

// run publishes, if the last snapshot is out of date. It runs in the queue of calls,
// without the lock.
func (p *Pacer) run() {
	start := time.Now()
	p.in.Lock()
	defer func() {
		p.due = p.timer.Armed()
		if p.dirty {
			p.Mark()
		}
		p.in.Unlock()
	}()
	if !p.dirty || p.in.Closed() {
		return
	}
	p.dirty = false
	next := p.draft()
	p.due = true
	p.in.Unlock()
	next.Publish()
	p.in.Lock()
	next.Published()
	now := time.Now()
	p.rested = now.Add(min(max(restPerWork*now.Sub(start), restPerHundred*time.Duration(next.Growing/100)), maxRest))
}

// Now publishes the present snapshot, and waits until that is done. It must not be called
// in the queue of calls, where no code of the program runs.
func (p *Pacer) Now() {
	done := make(chan struct{})
	if p.in.Do(func() { p.run(); close(done) }) {
		<-done
	}
}
