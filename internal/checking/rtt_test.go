package checking

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func TestTheDeadlineFollowsTheRoundTripsAfterRFC6298(t *testing.T) {
	for name, c := range map[string]struct {
		samples  []time.Duration
		timeouts int
		want     time.Duration
	}{
		"nothing is known":                            {nil, 0, MaxAutoTimeout},
		"nothing is known and it times out":           {nil, 3, MaxAutoTimeout},
		"the first sample has half as much deviation": {[]time.Duration{200 * ms}, 0, 600 * ms},
		// deviation 100+(100-100)/4 = 100, mean 200+100/8 = 212.5
		"a second sample moves mean and deviation": {[]time.Duration{200 * ms, 300 * ms}, 0, 637500 * time.Microsecond},
		// deviation 100+(0-100)/4 = 75, mean 200
		"a steady path loses its deviation":    {[]time.Duration{200 * ms, 200 * ms}, 0, 600 * ms},
		"a near server has the least deadline": {[]time.Duration{ms}, 0, MinAutoTimeout},
		"a far server has the greatest":        {[]time.Duration{900 * ms}, 0, MaxAutoTimeout},
		"samples below zero count as zero":     {[]time.Duration{-time.Hour}, 0, MinAutoTimeout},
		"huge samples do no harm":              {[]time.Duration{1 << 62, 1 << 62}, 0, MaxAutoTimeout},
		"a timeout doubles the deadline":       {[]time.Duration{ms}, 1, 600 * ms},
		"two timeouts stop at the greatest":    {[]time.Duration{ms}, 2, MaxAutoTimeout},
		"many timeouts do no harm":             {[]time.Duration{ms}, 1000, MaxAutoTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			var r RTT
			for _, s := range c.samples {
				r.Observe(s)
			}
			for range c.timeouts {
				r.TimedOut()
			}
			assert.Equal(t, c.want, r.Deadline())
		})
	}
}

func TestAnAnswerEndsTheDoubling(t *testing.T) {
	var r RTT
	r.Observe(ms)
	r.TimedOut()
	r.Observe(ms)
	assert.Equal(t, MinAutoTimeout, r.Deadline())
}

func TestTheDeadlineIsAlwaysWithinItsBoundsAndCoversASteadyPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r RTT
		for _, s := range rapid.SliceOf(rapid.Int64()).Draw(t, "samples") {
			before := r.Deadline()
			if s%3 == 0 {
				r.TimedOut()
				if r.Deadline() != min(2*before, MaxAutoTimeout) {
					t.Fatalf("%v after a timeout at %v", r.Deadline(), before)
				}
			} else {
				r.Observe(time.Duration(s))
			}
			if d := r.Deadline(); d < MinAutoTimeout || d > MaxAutoTimeout {
				t.Fatalf("deadline %v", d)
			}
		}
		steady := time.Duration(rapid.Int64Range(0, int64(700*ms)).Draw(t, "steady"))
		for range 300 {
			r.Observe(steady)
		}
		if d := r.Deadline(); d < steady || d > max(3*steady+10*ms, MinAutoTimeout) {
			t.Fatalf("deadline %v for a steady %v", d, steady)
		}
	})
}
