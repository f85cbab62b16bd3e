package endpointset

import (
	"context"
	"time"
)

// Background runs f until the set is closed: the context of f then ends, and Close
// waits for f to return. f must not wait for an update of the list, since grpc
// delivers one only after Close.
func (s *Set) Background(f func(context.Context)) {
	s.mu.Lock()
	defer s.unlock()
	if !s.closed {
		s.wg.Go(func() { f(s.ctx) })
	}
}

// armLocked sets a timer and stores it in at. After d it runs f with Set.mu held,
// unless the set is closed by then, or at holds another timer or none.
func (s *Set) armLocked(at **time.Timer, d time.Duration, f func()) {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.unlock()
		if !s.closed && *at == t {
			f()
		}
	})
	*at = t
}
