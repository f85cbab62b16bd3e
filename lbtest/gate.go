package lbtest

import "sync/atomic"

// gate holds back whoever passes while it is shut. Its zero value is open. It
// waits on channels only, so a bubble of testing/synctest counts a goroutine at
// a shut gate as durably blocked. Safe for concurrent use.
type gate struct {
	opened atomic.Pointer[chan struct{}] // nil while open; closed by open
}

// shut shuts the gate; a shut gate stays as it is.
func (g *gate) shut() {
	opened := make(chan struct{})
	g.opened.CompareAndSwap(nil, &opened)
}

// open lets all who wait pass; an open gate stays as it is.
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
