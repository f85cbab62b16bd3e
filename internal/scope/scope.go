// Package scope provides a lock together with what begins under it and happens without it.
//
// # Why
//
// What is decided under a lock often has to be done later, or without the lock: a call
// into grpc, which calls back; a probe, which waits; the end of a pause. Whatever comes
// of it takes the lock again, and has to find out that its owner was closed meanwhile. A
// [Scope] is the one place that knows this: its functions, timers and goroutines are
// begun under the lock, and end with the scope.
package scope

import (
	"context"
	"sync"

	"github.com/cantonlb/cantonlb/internal/queue"
)

// Scope is a lock, and what ends with its owner. Its lock comes first: only leaf locks
// are taken under it (see docs/architecture.md). Methods that say so are called with the
// lock held, all others without it.
type Scope struct {
	ctx    context.Context //nolint:containedctx // it ends with Close, and all that the scope has started with it
	cancel context.CancelFunc
	calls  queue.Queue
	wg     sync.WaitGroup // no Add after closed

	mu     sync.Mutex
	after  []func() // what must be done without mu; see Unlock
	closed bool
}

// New returns a scope that is open.
func New() *Scope {
	s := new(Scope)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Lock takes the lock.
func (s *Scope) Lock() { s.mu.Lock() }

// Unlock releases the lock, and then does what After was called with.
func (s *Scope) Unlock() {
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// After has f run as soon as the lock is released, by the goroutine that holds it. The
// lock is held.
func (s *Scope) After(f func()) { s.after = append(s.after, f) }

// Do has f run without the lock, after all functions that were passed to Do before, and
// one at a time. It reports whether f runs: not if EndCalls was called. It may be called with
// the lock held or without it.
func (s *Scope) Do(f func()) bool { return s.calls.Do(f) }

// EndCalls makes Do refuse functions, and waits until those before have run.
func (s *Scope) EndCalls() { s.calls.Close(0) }

// Settle waits until all functions that were passed to Do have run.
func (s *Scope) Settle() { s.calls.Wait() }

// Go runs f in a goroutine for which Wait waits. The lock is held, and the scope open.
func (s *Scope) Go(f func()) { s.wg.Go(f) }

// GoUntilClosed runs f as Go does, with the context that ends when the scope is closed.
func (s *Scope) GoUntilClosed(f func(context.Context)) { s.wg.Go(func() { f(s.ctx) }) }

// Begin announces a goroutine that is started later. Wait waits until end is called. The
// lock is held, and the scope open.
func (s *Scope) Begin() (end func()) {
	s.wg.Add(1)
	return s.wg.Done
}

// Context returns the context that ends when the scope is closed.
func (s *Scope) Context() context.Context { return s.ctx }

// Closed reports whether the scope is closed. The lock is held.
func (s *Scope) Closed() bool { return s.closed }

// Close closes the scope and cancels its context. It does not wait. The lock is held.
func (s *Scope) Close() {
	s.closed = true
	s.cancel()
}

// Wait waits, after Close, until all goroutines of the scope have ended, but no longer
// than until ctx ends.
func (s *Scope) Wait(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
