package faults

import (
	"context"
	"time"

	"google.golang.org/grpc/orca"
)

// capacity is how many calls at a time are reported as full use.
const capacity = 100

// loaded is a server's load. server.mu guards it.
type loaded struct {
	busy   int       // calls under way
	calls  int       // that ended since
	since  time.Time // when the present second began
	before float64   // calls in the second before
}

// report begins a call. The function that it returns reports, with the call's answer,
// the calls a second and the calls under way, if the server reports its load.
func (s *server) report(ctx context.Context) (end func()) {
	recorder := orca.CallMetricsRecorderFromContext(ctx)
	if recorder == nil {
		return func() {}
	}
	s.mu.Lock()
	s.loaded.busy++
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		recorder.SetApplicationUtilization(float64(s.loaded.busy) / capacity)
		recorder.SetQPS(s.loaded.rate(time.Now()))
		s.loaded.busy--
	}
}

// rate counts a call that ends, and returns how many ended a second.
func (l *loaded) rate(now time.Time) float64 {
	if passed := now.Sub(l.since); passed >= time.Second {
		l.before, l.calls, l.since = float64(l.calls)/passed.Seconds(), 0, now
	}
	l.calls++
	return max(l.before, 1)
}
