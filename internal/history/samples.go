package history

import (
	"math"
	"time"
)

const (
	// Buckets is how many values a sparkline has.
	Buckets = 60
	// Bucket is the time that one of them stands for.
	Bucket = Window / Buckets
)

// Trips are the longest round trips of an endpoint's probes, for each bucket of
// the window. The zero value is ready to use.
type Trips struct {
	newest int64           // the number of the newest Bucket, counted from 1970
	micros [Buckets]uint32 // by number modulo Buckets; 0: no answer
	last   time.Time       // when the last answer that counted came
	took   time.Duration   // how long it took
}

// BucketOf numbers the bucket that a time belongs to.
func BucketOf(t time.Time) int64 { return t.UnixNano() / int64(Bucket) }

// Add notes an answer: when it came and how long it took. One that is known
// already, or was pushed and so took no time, changes nothing.
func (t *Trips) Add(at time.Time, took time.Duration) {
	if at.IsZero() || took <= 0 || !at.After(t.last) {
		return
	}
	t.last, t.took = at, took
	n := BucketOf(at)
	t.advance(n)
	if n <= t.newest-Buckets {
		return // so old that its Bucket is another one's
	}
	i := n % Buckets
	t.micros[i] = max(t.micros[i], uint32(min(max(took.Microseconds(), 1), math.MaxUint32)))
}

// advance empties the buckets up to n.
func (t *Trips) advance(n int64) {
	for t.newest < n {
		t.newest = max(t.newest+1, n-Buckets+1)
		t.micros[t.newest%Buckets] = 0
	}
}

// Series gives the buckets up to that of now, oldest first, in microseconds; 0 is
// one without an answer.
func (t *Trips) Series(now time.Time) [Buckets]uint32 {
	t.advance(BucketOf(now))
	var out [Buckets]uint32
	for i := range out {
		out[i] = t.micros[(t.newest+1+int64(i))%Buckets]
	}
	return out
}

// Newest gives when the last answer came that counted, and how long it took.
func (t *Trips) Newest() (at time.Time, took time.Duration) { return t.last, t.took }

// rateSpan is the time over which calls per second are counted, at least; at most
// it is twice that.
const rateSpan = 5 * time.Second

// Rate counts events per second from a counter that only grows. The zero value is
// ready to use.
type Rate struct {
	older, newer mark
	perSecond    float64
	known        bool
}

type mark struct {
	at    time.Time
	count uint64
}

// Add notes the counter. A counter that went back began anew.
func (r *Rate) Add(now time.Time, count uint64) {
	m := mark{now, count}
	if r.older.at.IsZero() || count < r.newer.count {
		*r = Rate{older: m, newer: m}
		return
	}
	if d := now.Sub(r.older.at); d > 0 {
		r.perSecond, r.known = float64(count-r.older.count)/d.Seconds(), true
	}
	if now.Sub(r.newer.at) >= rateSpan {
		r.older, r.newer = r.newer, m
	}
}

// PerSecond gives the rate over the last seconds; false if it is not known yet.
func (r *Rate) PerSecond() (float64, bool) { return r.perSecond, r.known }
