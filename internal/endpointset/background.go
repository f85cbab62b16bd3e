package endpointset

import "context"

// Background runs f until the set is closed: then the context of f ends, and
// Close waits for f to return. f must not wait for an update of the list, since
// grpc makes one only after Close.
func (s *Set) Background(f func(context.Context)) {
	s.mu.Lock()
	defer s.unlock()
	if !s.closed {
		s.wg.Go(func() { f(s.ctx) })
	}
}
