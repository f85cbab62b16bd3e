package statuspage

import (
	"math"
	"time"
)

const (
	// buckets is how many values a sparkline has.
	buckets = 60
	// bucket is the time that one of them stands for.
	bucket = window / buckets
)

// trips are the longest round trips of an endpoint's probes, for each bucket of
// the window. The zero value is ready to use.
type trips struct {
	newest int64           // the number of the newest bucket, counted from 1970
	micros [buckets]uint32 // by number modulo buckets; 0: no answer
	last   time.Time       // when the last answer that counted came
	took   time.Duration   // how long it took
}

func bucketOf(t time.Time) int64 { return t.UnixNano() / int64(bucket) }

// add notes an answer: when it came and how long it took. One that is known
// already, or was pushed and so took no time, changes nothing.
func (t *trips) add(at time.Time, took time.Duration) {
	if at.IsZero() || took <= 0 || !at.After(t.last) {
		return
	}
	t.last, t.took = at, took
	n := bucketOf(at)
	t.advance(n)
	if n <= t.newest-buckets {
		return // so old that its bucket is another one's
	}
	i := n % buckets
	t.micros[i] = max(t.micros[i], uint32(min(max(took.Microseconds(), 1), math.MaxUint32)))
}

// advance empties the buckets up to n.
func (t *trips) advance(n int64) {
	for t.newest < n {
		t.newest = max(t.newest+1, n-buckets+1)
		t.micros[t.newest%buckets] = 0
	}
}

// series gives the buckets up to the newest, oldest first.
func (t *trips) series(now time.Time) [buckets]uint32 {
	t.advance(bucketOf(now))
	var out [buckets]uint32
	for i := range out {
		out[i] = t.micros[(t.newest+1+int64(i))%buckets]
	}
	return out
}

// rateSpan is the time over which calls per second are counted, at least; at most
// it is twice that.
const rateSpan = 5 * time.Second

// rate counts events per second from a counter that only grows. The zero value is
// ready to use.
type rate struct {
	older, newer mark
	perSecond    float64
	known        bool
}

type mark struct {
	at    time.Time
	count uint64
}

// add notes the counter. A counter that went back began anew.
func (r *rate) add(now time.Time, count uint64) {
	m := mark{now, count}
	if r.older.at.IsZero() || count < r.newer.count {
		*r = rate{older: m, newer: m}
		return
	}
	if d := now.Sub(r.older.at); d > 0 {
		r.perSecond, r.known = float64(count-r.older.count)/d.Seconds(), true
	}
	if now.Sub(r.newer.at) >= rateSpan {
		r.older, r.newer = r.newer, m
	}
}
