package history

import (
	"iter"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

const (
	// Window is how far back is remembered.
	Window = 15 * time.Minute
	// MaxSpans bounds what is remembered of one endpoint that flaps.
	MaxSpans = 64
)

// Span is a time in one state, up to the next span.
type Span struct {
	From   time.Time
	State  report.EndpointState
	Reason report.Reason
}

// Spans are the states of one endpoint in the window, in order of time. The last
// one holds on. The first may begin before the window. They are changed like a
// slice by append, and belong to one goroutine at a time.
type Spans []Span

// Add notes that a state began. The same may be told more than once and late: it
// takes its place in time. The oldest are dropped where there are too many, and
// those that have left the window.
func (s Spans) Add(n Span, now time.Time) Spans {
	i, known := slices.BinarySearchFunc(s, n.From, func(x Span, at time.Time) int { return x.From.Compare(at) })
	if !known {
		s = slices.Insert(s, i, n)
	}
	return s.prune(now)
}

// Become is Add for what has to differ from what was before.
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

// Total says how often and how long the endpoint was in a state in the window. Spans
// that follow each other, as with a new reason, are one time.
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

// Within gives the spans that touch the time from one moment to another.
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
