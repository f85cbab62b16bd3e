package statuspage

import (
	"slices"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
)

const (
	// window is how far back the page looks.
	window = 15 * time.Minute
	// maxSpans bounds what is remembered of one endpoint that flaps.
	maxSpans = 64
)

// span is a time in one state, up to the next span.
type span struct {
	from   time.Time
	state  cantonlb.State
	reason healthcheck.Reason
}

// spans are the states of one endpoint in the window, in order of time. The last
// one holds on. The first may begin before the window.
type spans []span

// add notes that a state began. The same may be told more than once and late: it
// takes its place in time. The oldest are dropped where there are too many, and
// those that have left the window.
func (s spans) add(n span, now time.Time) spans {
	i, known := slices.BinarySearchFunc(s, n.from, func(x span, at time.Time) int { return x.from.Compare(at) })
	if !known {
		s = slices.Insert(s, i, n)
	}
	return s.prune(now)
}

// become is add for what has to differ from what was before.
func (s spans) become(n span, now time.Time) spans {
	if last := len(s) - 1; last >= 0 && s[last].state == n.state {
		return s
	}
	return s.add(n, now)
}

func (s spans) prune(now time.Time) spans {
	begin := now.Add(-window)
	old := 0
	for old+1 < len(s) && (!s[old+1].from.After(begin) || len(s)-old > maxSpans) {
		old++
	}
	return slices.Delete(s, 0, old)
}

// total says how often and how long the endpoint was in a state in the window.
func (s spans) total(state cantonlb.State, now time.Time) (times int, lasted time.Duration) {
	begin := now.Add(-window)
	for i, x := range s {
		if x.state != state {
			continue
		}
		end := now
		if i+1 < len(s) {
			end = s[i+1].from
		}
		from := x.from
		if from.Before(begin) {
			from = begin
		}
		if d := end.Sub(from); d > 0 {
			times++
			lasted += d
		}
	}
	return times, lasted
}
