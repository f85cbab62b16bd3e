package quorum

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Liars can move a position neither beyond the furthest honest member nor below the
// slowest one.
func TestAPositionIsOneAtWhichAnHonestMemberStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check(t, func(r *rapid.T) {
			n := rapid.IntRange(4, 13).Draw(r, "n")
			f := Faulty(n)
			m := newMembers(t, n)
			at := map[string]int64{}
			lowest, highest := int64(1<<62), int64(0)
			for i, x := range m.List() {
				if i >= f {
					at[x.Name] = rapid.Int64Range(1000, 2000).Draw(r, "honest")
					lowest, highest = min(lowest, at[x.Name]), max(highest, at[x.Name])
				}
			}
			how := map[string]int{}
			for _, x := range m.List()[:f] {
				how[x.Name] = rapid.IntRange(0, 3).Draw(r, "how")
			}
			got, v, err := ReadPosition(t.Context(), m, Config{}, func(ctx context.Context, x Member) (int64, error) {
				p, ok := at[x.Name]
				if ok {
					return p, wait(ctx, 10*time.Millisecond)
				}
				switch how[x.Name] {
				case 0:
					return 1 << 60, nil
				case 1:
					return -1 << 60, nil
				case 2:
					return 0, errBroken
				}
				<-ctx.Done()
				return 0, ctx.Err()
			})
			if err != nil || got < lowest || got > highest {
				r.Fatalf("%d, %v; want %d to %d; %v", got, err, lowest, highest, v)
			}
			synctest.Wait()
		})
	})
}

func TestAPositionNeedsMoreAnswersThanAnAgreement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		broken := map[string]bool{"org1": true, "org2": true}
		ask := func(_ context.Context, x Member) (int64, error) {
			if broken[x.Name] {
				return 0, errBroken
			}
			return 7, nil
		}
		_, _, err := ReadPosition(t.Context(), m, Config{}, ask)
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
		_, _, err = ReadPosition(t.Context(), m, Config{Agree: 3}, ask)
		require.ErrorContains(t, err, "want agree to be at most 2")
	})
}

func TestAReadAtAPositionWaitsForThoseBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		began := time.Now()
		type value struct {
			text string
			at   int64
		}
		now := func(_ context.Context, x Member) (value, error) {
			if x.Name == "org1" {
				return value{"liar", 1 << 40}, nil
			}
			return value{"truth", time.Since(began).Milliseconds()}, nil
		}
		got, v, err := ReadAt(t.Context(), m, Config{}, int64(2000), func(ctx context.Context, x Member, at int64) (value, error) {
			return AtLeast(at, func(v value) int64 { return v.at }, now)(ctx, x)
		}, func(v value) string { return v.text })
		require.NoError(t, err)
		assert.Equal(t, "truth", got.text)
		assert.GreaterOrEqual(t, got.at, int64(2000))
		assert.Equal(t, FreshnessAtPosition, v.Freshness)
		assert.Greater(t, v.Rounds, 1)
		for _, s := range m.Status().Members {
			assert.False(t, s.Failing, "%s: being behind is no failure", s.Name)
		}

		_, v, err = ReadAt(t.Context(), m, Config{Timeout: time.Second}, int64(1<<50), func(ctx context.Context, x Member, at int64) (value, error) {
			return AtLeast(at, func(v value) int64 { return v.at }, now)(ctx, x)
		}, func(v value) string { return v.text })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		behind := 0
		for _, a := range v.Answers {
			if a.Reason == ReasonBehind {
				behind++
			}
		}
		assert.GreaterOrEqual(t, behind, 3, "one may not have been waited for")
		require.ErrorContains(t, err, "is behind: at ")
		_, _, err = ReadAt(t.Context(), m, Config{}, 1, (func(context.Context, Member, int) (value, error))(nil), nil)
		require.Error(t, err)
	})
}

func TestAHighWaterMarkOnlyRises(t *testing.T) {
	var h HighWater[int64]
	assert.EqualValues(t, 5, h.Raise(5))
	assert.EqualValues(t, 5, h.Raise(3))
	assert.EqualValues(t, 5, h.At())
	var f HighWater[float64]
	assert.InDelta(t, 5, f.Raise(5), 0)
	assert.InDelta(t, 5, f.Raise(math.NaN()), 0, "which is before all numbers")
}

// Honest members that are all slower than the wait before another is asked are not called off in each
// round: neither those of which nothing is known nor those that have become slow, beside one that
// answers at once.
func TestAReadAtAPositionHearsSlowMembers(t *testing.T) {
	for name, c := range map[string]struct {
		slow, warm time.Duration
		hasty      bool
		cfg        Config
	}{
		"unknown":               {slow: 3 * time.Second},
		"one hasty":             {slow: 1500 * time.Millisecond, hasty: true},
		"were fast before":      {slow: 2 * time.Second, warm: 5 * time.Millisecond, hasty: true},
		"with a short hedge":    {slow: 800 * time.Millisecond, cfg: Config{HedgeAfter: 10 * time.Millisecond}, hasty: true},
		"all have to be waited": {slow: 700 * time.Millisecond, cfg: Config{Agree: 4, Ask: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMembers(t, 4)
				takes := c.warm
				ask := func(ctx context.Context, x Member, _ int) (string, error) {
					if c.hasty && x.Name == "org1" {
						return "", &BehindError{Member: x.Name, At: "1", Want: "2"}
					}
					return "truth", wait(ctx, takes)
				}
				if c.warm > 0 {
					for range 8 {
						_, _, err := ReadAt(t.Context(), m, c.cfg, 2, ask, identity)
						require.NoError(t, err)
					}
				}
				takes = c.slow
				got, _, err := ReadAt(t.Context(), m, c.cfg, 2, ask, identity)
				require.NoError(t, err)
				assert.Equal(t, "truth", got)
			})
		})
	}
}
