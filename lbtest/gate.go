package lbtest

import "sync/atomic"

// gate blocks goroutines while it is shut. Its zero value is open. It waits on
// channels only, so a testing/synctest bubble counts a goroutine at a shut gate as
// durably blocked. It is safe for concurrent use.
type gate struct {
	opened atomic.Pointer[chan struct{}] // nil while open; closed by open
}

// shut shuts the gate; a shut gate stays as it is.
func (g *gate) shut() {
	opened := make(chan struct{})
	g.opened.CompareAndSwap(nil, &opened)
}

// open releases all waiting goroutines; an open gate stays as it is.
func (g *gate) open() {
	if opened := g.opened.Swap(nil); opened != nil {
		close(*opened)
	}
}

func (g *gate) isOpen() bool { return g.opened.Load() == nil }

// wait returns true once the gate is open, or false when done is closed first.
func (g *gate) wait(done <-chan struct{}) bool {
	for {
		opened := g.opened.Load()
		if opened == nil {
			return true
		}

		select {
		case <-*opened:
		case <-done:
			return false
		}
	}
}
