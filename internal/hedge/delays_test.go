package hedge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// traffic feeds a method with calls in turn to endpoints, 200 a second.
type traffic struct {
	method *Method
	now    time.Duration
	n      int
}

func newTraffic() *traffic { return &traffic{method: NewDelays(0).Of("/a.B/C"), now: time.Hour} }

// run makes calls for d. takes returns how long a call takes on an endpoint.
func (f *traffic) run(d time.Duration, endpoints int, takes func(endpoint int) time.Duration) {
	for end := f.now + d; f.now < end; f.now += 5 * ms {
		f.n++
		e := f.n % endpoints
		f.method.Observe(fmt.Sprint(e), takes(e), f.now, Answered)
		if f.n%100 == 0 {
			f.method.Delay(f.now)
		}
	}
}

func (f *traffic) delay(t *testing.T) time.Duration {
	t.Helper()
	f.now += refreshEvery
	d, ok := f.method.Delay(f.now)
	require.True(t, ok)
	return d
}

func TestTheDelayFollowsTheP95OfTheLastMinute(t *testing.T) {
	f := newTraffic()
	f.run(10*time.Second, 3, func(int) time.Duration { return time.Duration(10+rand.IntN(91)) * ms })
	assert.InEpsilon(t, 1.5*95.5*float64(ms), float64(f.delay(t)), 0.1)
	f.run(61*time.Second, 3, func(int) time.Duration { return 40 * ms })
	assert.InEpsilon(t, 60*float64(ms), float64(f.delay(t)), 0.08, "what is older is forgotten")
	f.run(61*time.Second, 3, func(int) time.Duration { return ms })
	assert.Equal(t, LeastDelay, f.delay(t))
	f.now += 2 * time.Minute
	_, ok := f.method.Delay(f.now)
	assert.False(t, ok, "nothing was called for a minute")
}

func TestTheDelayIsUnknownUntilSomeCallsWereAnswered(t *testing.T) {
	f := newTraffic()
	for i := range leastCalls {
		_, ok := f.method.Delay(f.now)
		assert.False(t, ok, i)
		f.method.Observe("a", time.Minute, f.now, Other)
		f.method.Observe("a", 20*ms, f.now, Answered)
	}
	d, ok := f.method.Delay(f.now)
	assert.True(t, ok)
	assert.InEpsilon(t, 30*float64(ms), float64(d), 0.08)
}

// One of three that is ten times slower must not raise the delay: then its calls would
// not be hedged.
func TestASlowEndpointDoesNotRaiseTheDelay(t *testing.T) {
	for _, endpoints := range []int{2, 3, 10} {
		f := newTraffic()
		f.run(30*time.Second, endpoints, func(int) time.Duration { return 20 * ms })
		slow := func(e int) time.Duration {
			if e == 0 {
				return 200 * ms
			}
			return 20 * ms
		}
		f.run(2*time.Minute, endpoints, slow)
		assert.InEpsilon(t, 30*float64(ms), float64(f.delay(t)), 0.1, "one of %d, after it has become slow", endpoints)

		f = newTraffic()
		f.run(2*time.Minute, endpoints, slow)
		assert.InEpsilon(t, 30*float64(ms), float64(f.delay(t)), 0.1, "one of %d, from the beginning", endpoints)
	}
}

// If its calls are canceled because they are late, an endpoint is slow too, and it is
// well again once it answers.
func TestAnEndpointWhoseCallsAreLateIsSlowUntilItAnswers(t *testing.T) {
	f := newTraffic()
	f.run(time.Second, 3, func(int) time.Duration { return 20 * ms })
	p := f.method.delays.paces.of("0")
	for range 20 {
		f.method.Observe("0", 30*ms, f.now, Late)
	}
	assert.True(t, p.slow.Load())
	f.run(time.Second, 3, func(int) time.Duration { return 20 * ms })
	assert.False(t, p.slow.Load())
}

// If all are slow at once, calls take that long: the delay rises within seconds, so
// that hedges do not double the load of servers that are overloaded.
func TestIfAllAreSlowTheDelayRises(t *testing.T) {
	f := newTraffic()
	f.run(time.Minute, 3, func(int) time.Duration { return 20 * ms })
	f.run(6*time.Second, 3, func(int) time.Duration { return 200 * ms })
	assert.InEpsilon(t, 300*float64(ms), float64(f.delay(t)), 0.1)
}

func TestAFixedDelayIsThatOfEveryMethod(t *testing.T) {
	d := NewDelays(7 * ms)
	m := d.Of("/a.B/C")
	m.Observe("a", time.Second, 0, Answered)
	delay, ok := m.Delay(0)
	assert.True(t, ok)
	assert.Equal(t, 7*ms, delay)
	assert.Less(t, d.Now(), time.Minute)
}

func TestTheNumberOfMethodsAndEndpointsIsBounded(t *testing.T) {
	d := NewDelays(0)
	for i := range MaxMethods {
		require.NotNil(t, d.Of(fmt.Sprint(i)))
	}
	first := d.Of("0")
	assert.Same(t, first, d.Of("0"))
	none := d.Of("one more")
	assert.Nil(t, none)
	none.Observe("a", time.Second, 0, Answered)
	_, ok := none.Delay(0)
	assert.False(t, ok)

	for i := range maxPaces + 10 {
		d.paces.of(fmt.Sprint(i))
	}
	assert.LessOrEqual(t, d.paces.count.Load(), int64(maxPaces))
	d.paces.of("new").note(true, time.Hour)
	d.paces.compare(time.Hour)
	assert.Equal(t, int64(1), d.paces.count.Load(), "those that were not called for long are forgotten")
}

// A quantile is off by no more than a bucket is wide, whatever the durations.
func TestAQuantileIsThatOfTheDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		durations := rapid.SliceOfN(rapid.Int64Range(int64(20*time.Microsecond), int64(time.Minute)), 1, 200).Draw(t, "durations")
		for _, d := range durations {
			h.add(time.Duration(d), time.Hour)
		}
		share := rapid.Float64Range(0.01, 1).Draw(t, "share")
		got, n := h.quantiles(time.Hour, share)
		slices.Sort(durations)
		rank := 0
		for float64(rank+1) < share*float64(len(durations)) {
			rank++
		}
		if want := float64(durations[rank]); n != len(durations) || float64(got[0]) < 0.93*want || float64(got[0]) > 1.07*want {
			t.Fatalf("%v of %d is %v, want %v of %d", share, n, got[0], time.Duration(durations[rank]), len(durations))
		}
	})
}

func TestAnyDurationHasABucket(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 1 << firstOctave, 1 << lastOctave, 1<<63 - 1} {
		b := bucketOf(d)
		assert.GreaterOrEqual(t, b, 0)
		assert.Less(t, b, bucketCount)
	}
	for b := range bucketCount {
		assert.Equal(t, b, bucketOf(middle(b)))
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	f := newTraffic()
	f.run(time.Second, 3, func(int) time.Duration { return ms })
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		f.method.Observe("0", ms, f.now, Answered)
		f.method.Delay(f.now)
	}))
}

func TestCallsOfManyGoroutinesAreCounted(t *testing.T) {
	m := NewDelays(0).Of("/a.B/C")
	m.Observe("0", 20*ms, time.Hour, Answered) // what is counted while a period begins may be lost
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 2000 {
				m.Observe(fmt.Sprint(i%3), 20*ms, time.Hour, Answered)
				m.Delay(time.Hour)
			}
		})
	}
	wg.Wait()
	_, n := m.all.quantiles(time.Hour, 0.5)
	assert.Equal(t, 16001, n)
}

func BenchmarkObserve(b *testing.B) {
	m := NewDelays(0).Of("/a.B/C")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Observe("a", 20*ms, time.Hour, Answered)
			m.Delay(time.Hour)
		}
	})
}

// A goroutine was stopped for more than a minute after it had read the clock.
func TestALateDurationForgetsNoOthers(t *testing.T) {
	var h histogram
	for range 20 {
		h.add(time.Second, 3*periods*period)
	}
	h.add(time.Second, 2*periods*period)
	_, n := h.quantiles(3*periods*period, 0.5)
	assert.Equal(t, 21, n)
}

// Anyone may call a gateway with names of methods that it makes up.
func TestMethodsThatAreNotCalledAnyMoreMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelays(0)
		known := d.Of("/a.B/real")
		for i := range 60 {
			for j := range MaxMethods {
				d.Of(fmt.Sprint("/a.B/", i, "/", j))
			}
			require.Same(t, known, d.Of("/a.B/real"), "it is called every second")
			time.Sleep(time.Second)
		}
		time.Sleep(2 * sweepEvery)
		d.Of("/a.B/late") // looks at which ones are called from now on
		time.Sleep(2 * sweepEvery)
		require.NotNil(t, d.Of("/a.B/late"))
	})
}
