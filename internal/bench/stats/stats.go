// Package stats computes the statistics that the suites report.
//
// # Why
//
// Times measured on a machine with other load have no known distribution and long
// tails. The package therefore has medians, ranges and ranks, and nothing that
// assumes a distribution.
package stats

import (
	"math"
	"slices"
)

// Summary summarizes several repetitions.
type Summary struct{ Median, Min, Max float64 }

// Summarize returns the summary of at least one value; the median of an even number
// of values is the mean of the two in the middle. Without values it returns zeros.
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

// Percentile returns the nearest-rank percentile of the values: the smallest one
// that at least q of 100 values do not exceed. q is above 0 and at most 100.
// Without values it returns 0.
func Percentile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q / 100 * float64(len(s))))
	return s[min(max(rank, 1), len(s))-1]
}

// MedianInterval returns the narrowest interval between two of the values, the same
// number of ranks from either end, that holds the true median with at least this
// confidence (0 to 1), whatever the distribution. ok is false if there are too few
// values; 0.95 needs six.
//
// The true median is below the k-th smallest of n independent values with the
// probability that fewer than k of n tosses of a coin show heads.
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
