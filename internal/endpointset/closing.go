package endpointset

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/guard"
)

// closePatience bounds how long Close waits in all for what ends with the set: probes,
// validations, knocks, and the last log lines and records. Only code of the program
// can delay them. It is left alone then, and its goroutines end when it returns.
const closePatience = 800 * time.Millisecond

// lastLines is the part of closePatience that is left in any case for the last log
// lines and records.
const lastLines = 200 * time.Millisecond

// endForeign waits for what the set has started, after the set has been closed, and
// logs what has not returned.
func (s *Set) endForeign(checkers []*checking.Checker) {
	all, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	ctx, cancel := context.WithTimeout(all, closePatience-lastLines)
	defer cancel()
	// The recorder takes its own lock here, and calls Report under it.
	_, _ = guard.Await(ctx, &s.left, "the recorder of metrics", 1, func() struct{} { s.unregister(); return struct{}{} }, nil)
	s.scope.Wait(ctx)
	lines := s.teller.Close(all)
	s.teller.Left(append(s.leftBehind(checkers), lines...))
}

// leftBehind names the calls of the program's code that have not returned.
func (s *Set) leftBehind(checkers []*checking.Checker) []string {
	left := append(s.build.Left(), s.left.String())
	for _, c := range checkers {
		left = append(left, c.Left())
	}
	if s.options.Left != nil {
		left = append(left, s.options.Left()...)
	}
	return left
}

// Background runs f until the set is closed: the context of f then ends, and Close
// waits for f to return. f must not wait for an update of the list, since grpc
// delivers one only after Close.
func (s *Set) Background(f func(context.Context)) {
	s.scope.Lock()
	defer s.scope.Unlock()
	if !s.scope.Closed() {
		s.scope.GoUntilClosed(f)
	}
}
