// Package stats has the few statistics that the suites report.
//
// # Why
//
// Times measured on a machine that does other things too have no known
// distribution and long tails. So there are medians, ranges and ranks here, and
// nothing that assumes more than the values say.
package stats

import (
	"math"
	"slices"
)

// Summary is what is reported of several repetitions.
type Summary struct{ Median, Min, Max float64 }

// Summarize gives the summary of at least one value; the median of an even
// number of values is the mean of the two in the middle. Of no values it gives
// zeros.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return Summary{Median: median, Min: s[0], Max: s[len(s)-1]}
}

// Percentile gives the nearest-rank percentile of the values: the smallest one
// that at least q of 100 values do not exceed. q is above 0 and at most 100. Of
// no values it gives 0.
func Percentile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q / 100 * float64(len(s))))
	return s[min(max(rank, 1), len(s))-1]
}

// MedianInterval gives the narrowest interval between two of the values, the
// same number of ranks from either end, that holds the true median with at least
// this confidence (0 to 1), whatever the distribution. ok is false if there are
// too few values to say so; 0.95 takes six.
//
// The true median lies below the k-th smallest of n independent values as often
// as fewer than k of n tosses of a coin show heads.
func MedianInterval(values []float64, confidence float64) (low, high float64, ok bool) {
	n := len(values)
	s := slices.Sorted(slices.Values(values))
	tosses, outside := math.Pow(0.5, float64(n)), 0.0 // the chance of exactly k heads, of at most k
	for k := range n / 2 {
		outside += tosses
		if 1-2*outside < confidence {
			break
		}
		low, high, ok = s[k], s[n-1-k], true
		tosses *= float64(n-k) / float64(k+1)
	}
	return low, high, ok
}
