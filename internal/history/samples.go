package history

import (
	"math"
	"time"
)

const (
	// Buckets is how many values a sparkline has.
	Buckets = 60
	// Bucket is the time that one bucket covers.
	Bucket = Window / Buckets
)

// Trips holds the longest round trip of an endpoint's probes in each bucket of the
// window. The zero value is ready to use.
type Trips struct {
	newest int64           // the number of the newest Bucket, counted from 1970
	micros [Buckets]uint32 // by number modulo Buckets; 0: no answer
	last   time.Time       // when the last answer that counted arrived
	took   time.Duration   // how long it took
}

// BucketOf returns the number of the bucket that a time belongs to.
func BucketOf(t time.Time) int64 { return t.UnixNano() / int64(Bucket) }

// Add adds an answer, with its time of arrival and its round trip. An answer that
// is known already, or that was pushed and so has no round trip, changes nothing.
func (t *Trips) Add(at time.Time, took time.Duration) {
	if at.IsZero() || took <= 0 || !at.After(t.last) {
		return
	}
	t.last, t.took = at, took
	n := BucketOf(at)
	t.advance(n)
	if n <= t.newest-Buckets {
		return // so old that its Bucket now belongs to a newer time
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

// Series returns the buckets up to that of now, oldest first, in microseconds; 0 is
// a bucket without an answer.
func (t *Trips) Series(now time.Time) [Buckets]uint32 {
	t.advance(BucketOf(now))
	var out [Buckets]uint32
	for i := range out {
		out[i] = t.micros[(t.newest+1+int64(i))%Buckets]
	}
	return out
}

// Newest returns when the last answer that counted arrived, and how long it took.
func (t *Trips) Newest() (at time.Time, took time.Duration) { return t.last, t.took }

// rateSpan is the least time over which calls per second are counted; the most is
// twice that.
const rateSpan = 5 * time.Second

// Rate computes events per second from a counter that only grows. The zero value is
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

// Add adds a value of the counter. A value below the previous one means that the
// counter was reset.
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

// PerSecond returns the rate over the last seconds, or false if it is not known
// yet.
func (r *Rate) PerSecond() (float64, bool) { return r.perSecond, r.known }
