package race

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What an attempt has found before it failed is tried, whichever is heard first.
func TestAnAttemptThatFailsMayHaveFoundOthers(t *testing.T) {
	for range 100 {
		found := make(chan int, 1)
		winner, ok := Race[int]{
			Addresses: 1, Found: found,
			Try: func(_ context.Context, i int) (int, bool) {
				if i == 0 {
					found <- 2
				}
				return i, i == 1
			},
		}.Run(t.Context())
		assert.True(t, ok)
		assert.Equal(t, 1, winner)
	}
}

// lane is how the attempt at one address goes.
type lane struct {
	takes time.Duration
	ok    bool
}

const hangs = time.Hour

func TestTheFirstAddressThatAnswersWins(t *testing.T) {
	const delay = machine.RaceDelay
	for name, c := range map[string]struct {
		lanes  []lane
		found  []lane // more addresses, which are known 10 ms later
		winner int    // or the last that failed
		ok     bool
		after  time.Duration
	}{
		"the only one":                 {[]lane{{time.Second, true}}, nil, 0, true, time.Second},
		"the only one fails":           {[]lane{{time.Second, false}}, nil, 0, false, time.Second},
		"the first of two":             {[]lane{{delay - 1, true}, {0, true}}, nil, 0, true, delay - 1},
		"the second, the first hangs":  {[]lane{{hangs, true}, {time.Second, true}}, nil, 1, true, delay + time.Second},
		"the second, the first fails":  {[]lane{{time.Millisecond, false}, {time.Second, true}}, nil, 1, true, time.Second + time.Millisecond},
		"the first, the second fails":  {[]lane{{time.Second, true}, {0, false}}, nil, 0, true, time.Second},
		"the third, two hang":          {[]lane{{hangs, true}, {hangs, true}, {time.Second, true}}, nil, 2, true, 2*delay + time.Second},
		"all fail":                     {[]lane{{time.Second, false}, {0, false}}, nil, 0, false, time.Second},
		"another one is found":         {[]lane{{hangs, true}}, []lane{{time.Second, true}}, 1, true, delay + 10*time.Millisecond + time.Second},
		"the first fails before that":  {[]lane{{0, false}}, []lane{{0, true}}, 0, false, 0},
		"its context ends before that": {[]lane{{hangs, false}}, nil, 0, false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				lanes := slices.Concat(c.lanes, c.found)
				var running atomic.Int32
				lost := 0
				found := make(chan int, 1)
				timer := time.AfterFunc(10*time.Millisecond, func() {
					if c.found != nil {
						found <- len(lanes)
					}
				})
				defer timer.Stop()
				began := time.Now()
				winner, ok := Race[int]{
					Addresses: len(c.lanes), Found: found,
					Try: func(ctx context.Context, i int) (int, bool) {
						running.Add(1)
						defer running.Add(-1)
						select {
						case <-time.After(lanes[i].takes):
							return i, lanes[i].ok
						case <-ctx.Done():
							return i, false
						}
					},
					Lose: func(i int) { assert.NotEqual(t, c.winner, i); lost++ },
				}.Run(ctx)
				assert.Equal(t, c.winner, winner)
				assert.Equal(t, c.ok, ok)
				assert.Equal(t, c.after, time.Since(began))
				assert.Zero(t, running.Load(), "the others have ended")
				assert.Less(t, lost, len(lanes))
			})
		})
	}
}
