package stats

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASummaryIsTheMedianAndTheRange(t *testing.T) {
	assert.Equal(t, Summary{}, Summarize(nil))
	assert.Equal(t, Summary{7, 7, 7}, Summarize([]float64{7}))
	assert.Equal(t, Summary{2, 1, 9}, Summarize([]float64{9, 1, 2}))
	assert.Equal(t, Summary{3, 1, 9}, Summarize([]float64{9, 1, 4, 2}))
	values := []float64{3, 1, 2}
	Summarize(values)
	assert.Equal(t, []float64{3, 1, 2}, values, "the caller's values keep their order")
}

func TestAPercentileIsTheNearestRank(t *testing.T) {
	values := make([]float64, 0, 200)
	for i := 200; i >= 1; i-- {
		values = append(values, float64(i))
	}
	for q, want := range map[float64]float64{0.1: 1, 1: 2, 50: 100, 99: 198, 99.5: 199, 100: 200} {
		assert.InDelta(t, want, Percentile(values, q), 0, "p%v", q)
	}
	assert.InDelta(t, 5, Percentile([]float64{5}, 99), 0)
	assert.Zero(t, Percentile(nil, 99))
}

func TestStatisticsLieWithinTheValuesAndDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 50).Draw(t, "values")
		s := Summarize(values)
		assert.InDelta(t, slices.Min(values), s.Min, 0)
		assert.InDelta(t, slices.Max(values), s.Max, 0)
		assert.LessOrEqual(t, s.Min, s.Median)
		assert.LessOrEqual(t, s.Median, s.Max)
		q := rapid.Float64Range(0.001, 100).Draw(t, "q")
		p := Percentile(values, q)
		assert.Contains(t, values, p)
		notAbove := 0
		for _, v := range values {
			if v <= p {
				notAbove++
			}
		}
		assert.GreaterOrEqual(t, float64(notAbove), q/100*float64(len(values)))
		slices.Reverse(values)
		assert.Equal(t, s, Summarize(values))
	})
}

func TestAnIntervalOfTheMedianNeedsSixValuesFor95PerCent(t *testing.T) {
	_, _, ok := MedianInterval([]float64{1, 2, 3, 4, 5}, 0.95)
	assert.False(t, ok)
	low, high, ok := MedianInterval([]float64{6, 5, 4, 3, 2, 1}, 0.95)
	assert.True(t, ok)
	assert.Equal(t, []float64{1, 6}, []float64{low, high})
	low, high, ok = MedianInterval([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.95)
	assert.True(t, ok)
	assert.Equal(t, []float64{2, 9}, []float64{low, high}, "97.9 per cent; from the third to the eighth are 89.1")
	_, _, ok = MedianInterval(nil, 0.95)
	assert.False(t, ok)
}

func TestTheIntervalOfTheMedianHoldsItAsOftenAsItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		ranks := make([]float64, n)
		for i := range ranks {
			ranks[i] = float64(i)
		}
		low, _, ok := MedianInterval(ranks, 0.95)
		// The chance that at most k of n tosses are heads, counted another way.
		atMost := func(k int) (sum float64) {
			for i := 0; i <= k; i++ {
				a, _ := math.Lgamma(float64(n + 1))
				b, _ := math.Lgamma(float64(i + 1))
				c, _ := math.Lgamma(float64(n - i + 1))
				sum += math.Exp(a - b - c - float64(n)*math.Ln2)
			}
			return sum
		}
		if !ok {
			assert.Less(t, 1-2*atMost(0), 0.95+1e-9)
			return
		}
		assert.GreaterOrEqual(t, 1-2*atMost(int(low)), 0.95-1e-9)
		if next := int(low) + 1; next < n/2 {
			assert.Less(t, 1-2*atMost(next), 0.95+1e-9, "a narrower one would say too much")
		}
	})
}
