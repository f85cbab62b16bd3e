package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestSilenceDoubtsAnEndpointThatHasCallsAndSaysNothing(t *testing.T) {
	const base, most = 300 * time.Millisecond, time.Second
	epoch := time.Unix(0, 0)
	at := func(d time.Duration, heard, inFlight uint64) SilenceSample {
		return SilenceSample{At: epoch.Add(d), Heard: heard, InFlight: inFlight}
	}
	for name, c := range map[string]struct {
		samples []SilenceSample
		doubts  []bool
	}{
		"nothing in flight": {
			[]SilenceSample{at(0, 5, 0), at(time.Hour, 5, 0)},
			[]bool{false, false},
		},
		"calls are answered": {
			[]SilenceSample{at(0, 5, 9), at(time.Second, 6, 9), at(2*time.Second, 7, 9)},
			[]bool{false, false, false},
		},
		"calls are not answered": {
			[]SilenceSample{at(0, 5, 0), at(100*time.Millisecond, 5, 1), at(299*time.Millisecond, 5, 1), at(300*time.Millisecond, 5, 1)},
			[]bool{false, false, false, true},
		},
		"patience doubles up to the most": {
			[]SilenceSample{
				at(0, 5, 1), at(300*time.Millisecond, 5, 1),
				at(899*time.Millisecond, 5, 1), at(900*time.Millisecond, 5, 1),
				at(1899*time.Millisecond, 5, 1), at(1900*time.Millisecond, 5, 1),
				at(2899*time.Millisecond, 5, 1), at(2900*time.Millisecond, 5, 1),
			},
			[]bool{false, true, false, true, false, true, false, true},
		},
		"an answer makes impatient again": {
			[]SilenceSample{
				at(0, 5, 1), at(300*time.Millisecond, 5, 1), at(400*time.Millisecond, 6, 1),
				at(600*time.Millisecond, 6, 1), at(700*time.Millisecond, 6, 1),
			},
			[]bool{false, true, false, false, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var q Silence
			for i, s := range c.samples {
				var doubt bool
				q, doubt = q.Next(s, base, most)
				assert.Equal(t, c.doubts[i], doubt, "sample %d", i)
			}
		})
	}
}

func TestSilenceWithAnIntervalShorterThanItselfStillHasPatience(t *testing.T) {
	epoch := time.Unix(0, 0)
	q := Silence{Since: epoch, limit: time.Second}
	q, doubt := q.Next(SilenceSample{At: epoch.Add(time.Second), InFlight: 1}, time.Second, 100*time.Millisecond)
	assert.True(t, doubt)
	assert.Equal(t, time.Second, q.limit)
}

// However the samples fall, doubts never come closer together than the base.
func TestSilenceProbesQuietStreamsSeldom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		var q Silence
		var last time.Time
		for range 200 {
			now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
			var doubt bool
			q, doubt = q.Next(SilenceSample{At: now, Heard: 7, InFlight: 1}, 300*time.Millisecond, time.Second)
			if doubt {
				if !last.IsZero() {
					assert.GreaterOrEqual(t, now.Sub(last), 300*time.Millisecond)
				}
				last = now
			}
		}
		assert.False(t, last.IsZero())
	})
}
