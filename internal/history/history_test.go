package history_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var states = []report.EndpointState{report.StateUnhealthy, report.StateHealthy, report.StateSuspect, report.StateDrained}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// later returns a time so many seconds after noon.
func later(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestSpansAreInOrderBoundedAndKnowWhatTheWindowBeganWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s history.Spans
		now := 0
		for range rapid.IntRange(1, 300).Draw(t, "changes") {
			now += rapid.IntRange(0, 60).Draw(t, "pause")
			late := rapid.IntRange(0, 5).Draw(t, "late")
			s = s.Add(history.Span{From: later(now - late), State: rapid.SampledFrom(states).Draw(t, "state")}, later(now))
			assert.True(t, slices.IsSortedFunc(s, func(x, y history.Span) int { return x.From.Compare(y.From) }))
			assert.LessOrEqual(t, len(s), history.MaxSpans)
			for i := 1; i+1 < len(s); i++ {
				assert.True(t, s[i].From.After(later(now).Add(-history.Window)), "only the first may begin before the window")
			}
		}
		var sum time.Duration
		for _, state := range states {
			_, lasted := s.Total(state, later(now))
			sum += lasted
		}
		known := min(history.Window, later(now).Sub(s[0].From))
		assert.InDelta(t, known.Seconds(), sum.Seconds(), 5, "what is known of the window is all in some state")
	})
}

func TestTheSameChangeToldTwiceIsOne(t *testing.T) {
	var s history.Spans
	for range 3 {
		s = s.Add(history.Span{From: later(10), State: report.StateUnhealthy}, later(20))
		s = s.Add(history.Span{From: later(0), State: report.StateHealthy}, later(20))
	}
	assert.Equal(t, history.Spans{{From: later(0), State: report.StateHealthy}, {From: later(10), State: report.StateUnhealthy}}, s)
	times, lasted := s.Total(report.StateUnhealthy, later(20))
	assert.Equal(t, 1, times)
	assert.Equal(t, 10*time.Second, lasted)
}

func TestTheLongestRoundTripOfEachBucketIsKept(t *testing.T) {
	var s history.Trips
	s.Add(later(0), 2*time.Millisecond)
	s.Add(later(1), 3*time.Millisecond)
	s.Add(later(2), time.Millisecond)
	s.Add(later(2), 9*time.Millisecond)  // told already
	s.Add(later(3), 0)                   // pushed
	s.Add(later(45), 5*time.Millisecond) // three buckets on
	got := s.Series(later(45))
	assert.Equal(t, []uint32{3000, 0, 0, 5000}, got[history.Buckets-4:])
	assert.Equal(t, 5*time.Millisecond, took(&s))

	got = s.Series(later(45).Add(history.Window / 2))
	assert.Equal(t, uint32(5000), got[history.Buckets/2-1])
	got = s.Series(later(45).Add(3 * history.Window))
	assert.Zero(t, slices.Max(got[:]), "what has left the window is forgotten")
}

func TestTheRateIsThatOfTheLastSeconds(t *testing.T) {
	var r history.Rate
	r.Add(later(0), 1000)
	_, known := r.PerSecond()
	assert.False(t, known)
	count := uint64(1000)
	for second := 1; second <= 30; second++ {
		count += 20
		r.Add(later(second), count)
		rate, _ := r.PerSecond()
		assert.InDelta(t, 20, rate, 0.001)
	}
	for second := 31; second <= 42; second++ {
		r.Add(later(second), count)
	}
	rate, _ := r.PerSecond()
	assert.Zero(t, rate, "calls that ended 12 s ago no longer count")
	r.Add(later(43), 5)
	_, known = r.PerSecond()
	assert.False(t, known, "a counter that went back began anew")
}

func took(s *history.Trips) time.Duration {
	_, took := s.Newest()
	return took
}
