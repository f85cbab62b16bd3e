package endpointset

import "context"

// Background runs f until the set is closed: the context of f then ends, and Close
// waits for f to return. f must not wait for an update of the list, since grpc
// delivers one only after Close.
func (s *Set) Background(f func(context.Context)) {
	s.scope.Lock()
	defer s.scope.Unlock()
	if !s.scope.Closed() {
		s.scope.Go(func() { f(s.scope.Context()) })
	}
}
