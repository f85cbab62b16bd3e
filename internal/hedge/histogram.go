package hedge

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations are counted in buckets, eight for each power of two, from 16 µs to about
// two minutes; shorter and longer ones are in the first and the last bucket. So a
// quantile is off by at most 7 %.
const (
	perOctave   = 8
	octaveShift = 3  // log2 of perOctave
	firstOctave = 14 // of nanoseconds
	lastOctave  = 37
	bucketCount = (lastOctave - firstOctave) * perOctave
)

func bucketOf(d time.Duration) int {
	octave := bits.Len64(uint64(max(d, 1))) - 1
	switch {
	case octave < firstOctave:
		return 0
	case octave >= lastOctave:
		return bucketCount - 1
	default:
		return (octave-firstOctave)<<octaveShift | int(d>>(octave-octaveShift))&(perOctave-1)
	}
}

// middle returns the duration in the middle of a bucket.
func middle(bucket int) time.Duration {
	octave := firstOctave + bucket>>octaveShift
	width := time.Duration(1) << (octave - octaveShift)
	return time.Duration(1)<<octave + time.Duration(bucket&(perOctave-1))*width + width/2
}

// The durations are those of the last minute: six periods, of which the newest one is
// not over.
const (
	periods = 6
	period  = 10 * time.Second
)

// histogram counts the durations of the last minute. It takes 4.5 KiB and no lock. Its
// zero value is empty.
type histogram struct {
	slots [periods]slot
}

type slot struct {
	// number is the number of the period, from 1, whose durations the counts are.
	number atomic.Int64
	counts [bucketCount]atomic.Uint32
}

// add counts a duration. One that is counted while a period begins may be lost. A
// goroutine that was stopped after it had read the clock may be late: its duration
// belongs to the newer period.
func (h *histogram) add(d, now time.Duration) {
	number := int64(now/period) + 1
	s := &h.slots[number%periods]
	if was := s.number.Load(); was < number && s.number.CompareAndSwap(was, number) {
		for i := range s.counts {
			s.counts[i].Store(0)
		}
	}
	s.counts[bucketOf(d)].Add(1)
}

// quantiles returns the durations below which these shares of the counted ones are, in
// ascending order, and how many there are.
func (h *histogram) quantiles(now time.Duration, shares ...float64) ([]time.Duration, int) {
	var sums [bucketCount]uint32
	total := 0
	oldest := int64(now/period) + 1 - periods
	for i := range h.slots {
		if h.slots[i].number.Load() <= oldest {
			continue
		}
		for b := range sums {
			n := h.slots[i].counts[b].Load()
			sums[b] += n
			total += int(n)
		}
	}
	values := make([]time.Duration, len(shares))
	below, next := 0, 0
	for b, n := range sums {
		below += int(n)
		for next < len(shares) && n > 0 && float64(below) >= shares[next]*float64(total) {
			values[next] = middle(b)
			next++
		}
	}
	return values, total
}
