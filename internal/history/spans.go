package history

import (
	"iter"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

const (
	// Window is how far back the history goes.
	Window = 15 * time.Minute
	// MaxSpans bounds the spans that are kept of one endpoint that flaps.
	MaxSpans = 64
)

// Span is a time in one state, up to the next span.
type Span struct {
	From   time.Time
	State  report.EndpointState
	Reason report.Reason
	// Passive is true if the state is normal for a standby.
	Passive bool
}

// Spans holds the states of one endpoint in the window, in order of time. The last
// one is the current state. The first may begin before the window. Like append,
// methods return the changed value. Spans are for one goroutine at a time.
type Spans []Span

// Add adds the beginning of a state. It may be called repeatedly for the same
// beginning, and late: the span is inserted in order of time. The oldest spans are
// dropped if there are too many, and so are those that have left the window.
func (s Spans) Add(n Span, now time.Time) Spans {
	i, known := slices.BinarySearchFunc(s, n.From, func(x Span, at time.Time) int { return x.From.Compare(at) })
	if !known {
		s = slices.Insert(s, i, n)
	}
	return s.prune(now)
}

// Become is Add for a state that must differ from the previous one.
func (s Spans) Become(n Span, now time.Time) Spans {
	if last := len(s) - 1; last >= 0 && s[last].State == n.State {
		return s
	}
	return s.Add(n, now)
}

func (s Spans) prune(now time.Time) Spans {
	begin := now.Add(-Window)
	old := 0
	for old+1 < len(s) && (!s[old+1].From.After(begin) || len(s)-old > MaxSpans) {
		old++
	}
	return slices.Delete(s, 0, old)
}

// Total returns how often and how long the endpoint was in a state in the window.
// Consecutive spans of the state, as with a new reason, count once.
func (s Spans) Total(state report.EndpointState, now time.Time) (times int, lasted time.Duration) {
	begin := now.Add(-Window)
	goesOn := false
	for i, x := range s {
		if x.State != state {
			goesOn = false
			continue
		}
		end := now
		if i+1 < len(s) {
			end = s[i+1].From
		}
		from := x.From
		if from.Before(begin) {
			from = begin
		}
		if d := end.Sub(from); d > 0 {
			if !goesOn {
				times++
			}
			lasted, goesOn = lasted+d, true
		}
	}
	return times, lasted
}

// Within returns the spans that overlap the time between two moments.
func (s Spans) Within(from, to time.Time) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for i, x := range s {
			if i+1 < len(s) && !s[i+1].From.After(from) {
				continue
			}
			if !x.From.Before(to) || !yield(x) {
				return
			}
		}
	}
}
