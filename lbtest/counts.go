package lbtest

import "time"

// counts holds what a server has counted since its start or the last ResetCounts.
type counts struct {
	totalConns int
	calls      [kinds]int
	lastCallAt time.Time
}

// changeLocked wakes all goroutines that wait for a count.
func (s *Server) changeLocked() {
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
}

func read[T any](s *Server, f func(*Server) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()

	return f(s)
}

// conns returns the number of connections to the port for calls.
func conns(s *Server) int {
	n := 0
	for c := range s.conns {
		if c.port == callPort {
			n++
		}
	}

	return n
}

func callsOf(k kind) func(*Server) int {
	return func(s *Server) int { return s.counts.calls[k] }
}

// Conns returns how many connections are open, not counting those to separate
// health ports. It is the server's view: a hung server does not notice that a
// client has gone.
func (s *Server) Conns() int { return read(s, conns) }

// TotalConns returns how many connections the server has accepted, not counting
// those to separate health ports, over all restarts, since the start or the last
// ResetCounts.
func (s *Server) TotalConns() int {
	return read(s, func(s *Server) int { return s.counts.totalConns })
}

// Calls returns how many application calls have arrived, unary and streams, failed
// or not, since the start or the last ResetCounts. Every call is an application
// call except those of the health service.
func (s *Server) Calls() int { return read(s, callsOf(applicationCall)) }

// HealthCalls returns how many health Check calls have arrived since the start
// or the last ResetCounts.
func (s *Server) HealthCalls() int { return read(s, callsOf(healthCheck)) }

// HealthWatches returns how many health Watch calls have arrived since the start
// or the last ResetCounts, whether or not they are still open.
func (s *Server) HealthWatches() int { return read(s, callsOf(healthWatch)) }

// HealthPages returns how many requests for the health page have arrived since the
// start or the last ResetCounts.
func (s *Server) HealthPages() int { return read(s, callsOf(healthPage)) }

// LastCallAt returns when the last application call arrived, or the zero time if
// none has since the start or the last ResetCounts.
func (s *Server) LastCallAt() time.Time {
	return read(s, func(s *Server) time.Time { return s.counts.lastCallAt })
}

// ResetCounts sets all counts and LastCallAt to zero. Open connections, and so
// Conns, do not change.
func (s *Server) ResetCounts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = counts{}
	s.changeLocked()
}

// WaitConns waits until exactly n connections are open. It ends the test by
// t.Fatalf if that takes longer than timeout, as the other Wait methods do.
func (s *Server) WaitConns(n int, timeout time.Duration) {
	s.t.Helper()
	s.waitFor("WaitConns", "exactly", n, timeout, conns, func(got int) bool { return got == n })
}

// WaitCalls waits until Calls is at least n.
func (s *Server) WaitCalls(n int, timeout time.Duration) {
	s.t.Helper()
	s.waitFor("WaitCalls", "at least", n, timeout, callsOf(applicationCall), func(got int) bool { return got >= n })
}

// WaitHealthCalls waits until HealthCalls is at least n.
func (s *Server) WaitHealthCalls(n int, timeout time.Duration) {
	s.t.Helper()
	s.waitFor("WaitHealthCalls", "at least", n, timeout, callsOf(healthCheck), func(got int) bool { return got >= n })
}

// WaitHealthWatches waits until HealthWatches is at least n.
func (s *Server) WaitHealthWatches(n int, timeout time.Duration) {
	s.t.Helper()
	s.waitFor("WaitHealthWatches", "at least", n, timeout, callsOf(healthWatch), func(got int) bool { return got >= n })
}

func (s *Server) waitFor(
	method, bound string, n int, timeout time.Duration, value func(*Server) int, enough func(int) bool,
) {
	s.t.Helper()

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		got, change := s.watch(value)
		if enough(got) {
			return
		}
		select {
		case <-change:
		case <-timer.C:
			s.t.Fatalf("lbtest: %s: %s has %d after %v: want %s %d", method, s.name, got, timeout, bound, n)

			return
		}
	}
}

// watch returns a value and a channel that is closed when it may have changed.
func (s *Server) watch(value func(*Server) int) (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.change == nil {
		s.change = make(chan struct{})
	}

	return value(s), s.change
}
