package turns

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlansSpreadTheTurnsOfHeavyEndpoints(t *testing.T) {
	for name, c := range map[string]struct {
		weights []int
		want    string
	}{
		"none":                      {nil, ""},
		"one":                       {[]int{7}, "a"},
		"equals":                    {[]int{1, 1, 1}, "abc"},
		"equals, reduced":           {[]int{50, 50}, "ab"},
		"twice as much":             {[]int{2, 1}, "aba"},
		"three to one":              {[]int{3, 1}, "aaba"},
		"twice as much as two":      {[]int{2, 1, 1}, "abac"},
		"reduced":                   {[]int{20, 10, 10}, "abac"},
		"five, one, one":            {[]int{5, 1, 1}, "aabaaca"},
		"a heavy one and ten light": {[]int{10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "abacadaeafagahaiajak"},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, i := range Plan(c.weights) {
				got.WriteByte("abcdefghijk"[i])
			}
			assert.Equal(t, c.want, got.String())
			assert.Equal(t, got.Len(), Count(c.weights))
		})
	}
}

func weights(least, most int) *rapid.Generator[[]int] {
	return rapid.SliceOfN(rapid.IntRange(1, 100), least, most)
}

func TestAPlanIsExactAndNeverATurnAheadOrBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := weights(1, 40).Draw(t, "weights")
		sum := 0
		for _, x := range w {
			sum += x
		}
		plan := Plan(w)
		require.Len(t, plan, Count(w))
		had := make([]int, len(w))
		for n, i := range plan {
			had[i]++
			for j := range w {
				off := had[j]*sum - w[j]*(n+1) // in turns, times sum
				require.Less(t, max(off, -off), sum, "%v after %d turns of %v", had, n+1, w)
			}
		}
		for i := range w {
			require.Equal(t, w[i]*len(plan), had[i]*sum, "the share of %d in %v", i, w)
		}
	})
}

func TestAPlanDoesNotDependOnACommonFactor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := weights(1, 20).Draw(t, "weights")
		by := rapid.IntRange(1, 9).Draw(t, "factor")
		multiplied := make([]int, len(w))
		for i := range w {
			multiplied[i] = by * w[i]
		}
		require.Equal(t, Plan(w), Plan(multiplied))
	})
}

func TestAPlanOfSomeIsNeverLongerThanThatOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := weights(2, 20).Draw(t, "weights")
		some := w[:rapid.IntRange(1, len(w)-1).Draw(t, "some")]
		require.LessOrEqual(t, Count(some), Count(w))
	})
}

// A list is refused if its plan is too long, so this is for two lists at once,
// while one takes the other's place.
func TestAPlanThatWouldBeTooLongIsMadeOfCoarserWeights(t *testing.T) {
	w := make([]int, 20_000)
	for i := range w {
		w[i] = 1 + i%100
	}
	require.Greater(t, Count(w), Max)
	plan := Plan(w)
	assert.LessOrEqual(t, len(plan), Max)
	had := make([]int, len(w))
	for _, i := range plan {
		had[i]++
	}
	for i := range w {
		require.Positive(t, had[i], "every index has a turn")
	}
	assert.Greater(t, had[99], had[0])
}

func BenchmarkPlanOfTheLongestList(b *testing.B) {
	w := make([]int, 1297)
	for i := range w {
		w[i] = 1 + i%100
	}
	for b.Loop() {
		Plan(w)
	}
	b.ReportMetric(float64(Count(w)), "turns")
}
