package statuspage

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// later gives a time so many seconds after noon.
func later(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestSpansAreInOrderBoundedAndKnowWhatTheWindowBeganWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s spans
		now := 0
		for range rapid.IntRange(1, 300).Draw(t, "changes") {
			now += rapid.IntRange(0, 60).Draw(t, "pause")
			late := rapid.IntRange(0, 5).Draw(t, "late")
			s = s.add(span{from: later(now - late), state: rapid.SampledFrom(states).Draw(t, "state")}, later(now))
			assert.True(t, slices.IsSortedFunc(s, func(x, y span) int { return x.from.Compare(y.from) }))
			assert.LessOrEqual(t, len(s), maxSpans)
			for i := 1; i+1 < len(s); i++ {
				assert.True(t, s[i].from.After(later(now).Add(-window)), "only the first may begin before the window")
			}
		}
		var sum time.Duration
		for _, state := range states {
			_, lasted := s.total(state, later(now))
			sum += lasted
		}
		known := min(window, later(now).Sub(s[0].from))
		assert.InDelta(t, known.Seconds(), sum.Seconds(), 5, "what is known of the window is all in some state")
	})
}

func TestTheSameChangeToldTwiceIsOne(t *testing.T) {
	var s spans
	for range 3 {
		s = s.add(span{from: later(10), state: cantonlb.StateUnhealthy}, later(20))
		s = s.add(span{from: later(0), state: cantonlb.StateHealthy}, later(20))
	}
	assert.Equal(t, spans{{later(0), cantonlb.StateHealthy, ""}, {later(10), cantonlb.StateUnhealthy, ""}}, s)
	times, lasted := s.total(cantonlb.StateUnhealthy, later(20))
	assert.Equal(t, 1, times)
	assert.Equal(t, 10*time.Second, lasted)
}

func TestTheLongestRoundTripOfEachBucketIsKept(t *testing.T) {
	var s trips
	s.add(later(0), 2*time.Millisecond)
	s.add(later(1), 3*time.Millisecond)
	s.add(later(2), time.Millisecond)
	s.add(later(2), 9*time.Millisecond)  // told already
	s.add(later(3), 0)                   // pushed
	s.add(later(45), 5*time.Millisecond) // three buckets on
	got := s.series(later(45))
	assert.Equal(t, []uint32{3000, 0, 0, 5000}, got[buckets-4:])
	assert.Equal(t, 5*time.Millisecond, s.took)

	got = s.series(later(45).Add(window / 2))
	assert.Equal(t, uint32(5000), got[buckets/2-1])
	got = s.series(later(45).Add(3 * window))
	assert.Zero(t, slices.Max(got[:]), "what has left the window is forgotten")
}

func TestTheRateIsThatOfTheLastSeconds(t *testing.T) {
	var r rate
	r.add(later(0), 1000)
	assert.False(t, r.known)
	count := uint64(1000)
	for second := 1; second <= 30; second++ {
		count += 20
		r.add(later(second), count)
		assert.InDelta(t, 20, r.perSecond, 0.001)
	}
	for second := 31; second <= 42; second++ {
		r.add(later(second), count)
	}
	assert.Zero(t, r.perSecond, "calls that ended 12 s ago no longer count")
	r.add(later(43), 5)
	assert.False(t, r.known, "a counter that went back began anew")
}

func TestABarIsNeverTooNarrowToBeSeenNorOutsideOfTheStrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s spans
		for range rapid.IntRange(1, 40).Draw(t, "spans") {
			s = s.add(span{from: later(rapid.IntRange(-1000, 900).Draw(t, "from")), state: cantonlb.StateUnhealthy}, later(900))
		}
		for i := range s {
			if from, width, ok := s.bar(i, later(905)); ok {
				assert.GreaterOrEqual(t, from, 0.0)
				assert.GreaterOrEqual(t, width, leastBar)
				assert.LessOrEqual(t, from+width, float64(stripWidth))
			}
		}
	})
}
