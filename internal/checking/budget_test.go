package checking

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestABudgetSpacesProbesAfterABurst(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		perSecond int
		want      []time.Duration // of reservations that are all made at now
	}{
		"one a second has no burst":        {1, []time.Duration{0, time.Second, 2 * time.Second}},
		"ten a second have a burst of one": {10, []time.Duration{0, 100 * ms, 200 * ms}},
		"thirty have a burst of three":     {30, []time.Duration{0, 0, 0, 33333334, 66666668}},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(c.perSecond, 0)
			for i, want := range c.want {
				assert.Equal(t, want > 0, b.Stretched(now), "before reservation %d", i)
				assert.Equal(t, want, b.Reserve(now), "reservation %d", i)
			}
			later := now.Add(time.Hour)
			assert.False(t, b.Stretched(later))
			assert.Zero(t, b.Reserve(later), "an idle hour is not saved up,")
			for range c.perSecond {
				b.Reserve(later)
			}
			assert.True(t, b.Stretched(later), "but for one burst")
		})
	}
}

func TestBudgetDefaultsAndExtremes(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, b := range []*Budget{NewBudget(0, 0), NewBudget(-5, -5)} {
		for range 100 {
			require.Zero(t, b.Reserve(now))
		}
		assert.Equal(t, ms, b.Reserve(now))
		assert.Equal(t, DefaultFirstProbes, cap(b.first))
	}
	assert.Zero(t, NewBudget(math.MaxInt, 1).Reserve(now))
}

func TestANilBudgetIsUnlimited(t *testing.T) {
	var b *Budget
	assert.Zero(t, b.Reserve(time.Time{}))
	assert.False(t, b.Stretched(time.Time{}))
	require.NoError(t, b.AcquireFirst(t.Context()))
	b.ReleaseFirst()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.AcquireFirst(ctx), context.Canceled)
}

func TestNoSecondEverHoldsMoreProbesThanTheRateAndOneBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.IntRange(1, 60).Draw(t, "perSecond")
		steps := rapid.SliceOfN(rapid.Int64Range(-int64(50*ms), int64(200*ms)), 1, 300).Draw(t, "steps")
		b := NewBudget(perSecond, 0)
		now := time.Unix(1000, 0)
		var starts []time.Time
		for _, s := range steps { // clocks read by several goroutines may go back a little
			now = now.Add(time.Duration(s))
			stretched := b.Stretched(now)
			wait := b.Reserve(now)
			if stretched != (wait > 0) {
				t.Fatalf("stretched %v, wait %v", stretched, wait)
			}
			starts = append(starts, now.Add(wait))
		}
		for _, from := range starts {
			n := 0
			for _, s := range starts {
				if !s.Before(from) && s.Sub(from) <= time.Second {
					n++
				}
			}
			if limit := perSecond + max(perSecond/10, 1); n > limit {
				t.Fatalf("%d probes within a second, limit %d", n, limit)
			}
		}
	})
}

func TestConcurrentReservationsAllGetTheirOwnTurn(t *testing.T) {
	b := NewBudget(1, 0)
	now := time.Unix(1000, 0)
	var mu sync.Mutex
	seen := map[time.Duration]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			wait := b.Reserve(now)
			b.Stretched(now)
			mu.Lock()
			defer mu.Unlock()
			seen[wait] = true
		})
	}
	wg.Wait()
	assert.Len(t, seen, 50)
}

func TestOnlySoManyFirstProbesRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0, 2)
		b.ReleaseFirst() // without an AcquireFirst: nothing
		require.NoError(t, b.AcquireFirst(t.Context()))
		require.NoError(t, b.AcquireFirst(t.Context()))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, b.AcquireFirst(ctx), context.DeadlineExceeded)

		got := make(chan error, 1)
		go func() { got <- b.AcquireFirst(t.Context()) }()
		synctest.Wait()
		require.Empty(t, got, "the third must wait")
		b.ReleaseFirst()
		require.NoError(t, <-got)
		b.ReleaseFirst()
		require.ErrorIs(t, b.AcquireFirst(ctx), context.DeadlineExceeded, "an ended context gets nothing")
	})
}
