package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestSilenceAsksAServerThatHasCallsAndSaysNothing(t *testing.T) {
	const base, most = 300, 1000 // in ms, like all times here
	epoch := time.Unix(0, 0)
	ms := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }
	type sample struct {
		at, heard       int
		begun, inFlight uint64
		asks            bool
	}
	for name, samples := range map[string][]sample{
		"nothing in flight": {{0, 0, 5, 0, false}, {3600_000, 0, 5, 0, false}},
		"calls are heard":   {{0, 0, 9, 9, false}, {1000, 900, 9, 9, false}, {2000, 1900, 9, 9, false}},
		"calls are not heard": {
			{0, 0, 0, 0, false}, {100, 0, 1, 1, false}, {299, 0, 1, 1, false}, {300, 0, 1, 1, true},
		},
		"the silence begins when something was last heard": {
			{0, 0, 1, 1, false}, {75, 70, 1, 1, false}, {369, 70, 1, 1, false}, {370, 70, 1, 1, true},
		},
		"patience doubles up to the most": {
			{0, 0, 1, 1, false}, {300, 0, 1, 1, true}, {899, 0, 1, 1, false}, {900, 0, 1, 1, true},
			{1899, 0, 1, 1, false}, {1900, 0, 1, 1, true}, {2899, 0, 1, 1, false}, {2900, 0, 1, 1, true},
		},
		"an answer makes impatient again": {
			{0, 0, 1, 1, false}, {300, 0, 1, 1, true}, {400, 400, 1, 1, false}, {600, 400, 1, 1, false}, {700, 400, 1, 1, true},
		},
		"another call makes impatient again": {
			{0, 0, 1, 1, false}, {300, 0, 1, 1, true}, {400, 0, 2, 2, false}, {500, 0, 3, 3, false}, {700, 0, 3, 3, true},
		},
		"and so does the end of all": {
			{0, 0, 1, 1, false}, {300, 0, 1, 1, true}, {400, 0, 1, 0, false}, {500, 0, 2, 1, false}, {700, 0, 2, 1, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var q Silence
			for i, s := range samples {
				var asks bool
				q, asks = q.Next(SilenceSample{At: ms(s.at), Heard: ms(s.heard), Begun: s.begun, InFlight: s.inFlight},
					base*time.Millisecond, most*time.Millisecond)
				assert.Equal(t, s.asks, asks, "sample %d", i)
			}
		})
	}
}

func TestSilenceWithAnIntervalShorterThanItselfStillHasPatience(t *testing.T) {
	epoch := time.Unix(0, 0)
	q := Silence{Since: epoch, limit: time.Second}
	q, asks := q.Next(SilenceSample{At: epoch.Add(time.Second), InFlight: 1}, time.Second, 100*time.Millisecond)
	assert.True(t, asks)
	assert.Equal(t, time.Second, q.limit)
}

// However the samples fall, a quiet stream never causes questions that are closer
// together than the base.
func TestSilenceAsksAboutQuietStreamsSeldom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		var q Silence
		var last time.Time
		for range 200 {
			now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
			var asks bool
			q, asks = q.Next(SilenceSample{At: now, Begun: 7, InFlight: 1}, 300*time.Millisecond, time.Second)
			if asks {
				if !last.IsZero() {
					assert.GreaterOrEqual(t, now.Sub(last), 300*time.Millisecond)
				}
				last = now
			}
		}
		assert.False(t, last.IsZero())
	})
}
