package pick

import "sync"

// streak counts the calls on one connection that failed in a row. Successful calls
// cost nothing: a failure determines whether any call has succeeded since the last
// failure. The zero value is ready for use. It is safe for concurrent use.
type streak struct {
	// mu guards what follows. No other lock is taken under it.
	mu     sync.Mutex
	failed uint64 // failures counted so far
	good   uint64 // successful answers at the last failure
	n      int    // failures since then
}

// fail adds a failure, and returns how many there are in a row. heard adds it to the
// connection's answers if it was one, and returns how many these are now.
func (s *streak) fail(answered bool, heard func(add uint64) uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var add uint64
	if answered {
		add = 1
	}
	s.failed += add
	if good := heard(add) - s.failed; good != s.good {
		s.good, s.n = good, 0
	}
	s.n++
	return s.n
}

// successes returns how many of the connection's answers were successful.
func (s *streak) successes(heard uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return heard - s.failed
}

// reset forgets the failures.
func (s *streak) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n = 0
}
