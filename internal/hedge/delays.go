package hedge

import (
	"sync"
	"sync/atomic"
	"time"
)

// The default delay of a method.
const (
	delayShare  = 0.95 // the share of the calls that are not hedged
	delayFactor = 1.5
	// LeastDelay is the least delay that is found by measuring.
	LeastDelay = 10 * time.Millisecond
	// leastCalls is how many calls of a method must have been answered in the last
	// minute. Before that its delay is unknown.
	leastCalls = 10
	// fastShare is the share of the calls that are fast however many endpoints are
	// slow, up to two of three.
	fastShare = 0.3
	// refreshEvery is how often a delay is computed from what was measured.
	refreshEvery = 500 * time.Millisecond
	// MaxMethods is how many methods have a delay. Calls of others are not hedged, until
	// some of these have not been called for a while.
	MaxMethods = 1000
	// sweepEvery is how often methods are looked for that are not called any more, while
	// there are too many. A method that is called less often has no delay anyway.
	sweepEvery = 10 * time.Second
)

// Delays holds the delays of one client's methods. It is safe for concurrent use.
type Delays struct {
	epoch   time.Time
	fixed   time.Duration
	same    *Method  // that of all methods, if the delay is fixed
	methods sync.Map // string -> *Method
	count   atomic.Int64
	swept   atomic.Int64 // when sweep last looked
	paces   paces
}

// NewDelays returns the delays of a client: fixed for every method, or measured if it
// is 0.
func NewDelays(fixed time.Duration) *Delays {
	d := &Delays{epoch: time.Now(), fixed: fixed}
	if fixed > 0 {
		d.same = &Method{delays: d}
	}
	return d
}

// Now returns the time by the clock of the delays.
func (d *Delays) Now() time.Duration { return time.Since(d.epoch) }

// Of returns the method with this full name, or nil if there are too many.
func (d *Delays) Of(name string) *Method {
	if d.same != nil {
		return d.same
	}
	known, ok := d.methods.Load(name)
	if !ok {
		if d.count.Load() >= MaxMethods && !d.sweep() {
			return nil
		}
		if known, ok = d.methods.LoadOrStore(name, &Method{delays: d}); !ok {
			d.count.Add(1)
		}
	}
	m := known.(*Method) //nolint:forcetypeassert // there is no other type
	if !m.called.Load() {
		m.called.Store(true)
	}
	return m
}

// sweep forgets the methods that have not been called since it last looked, so that any
// number of names that callers make up leave room for others. It reports whether there is
// room.
func (d *Delays) sweep() bool {
	now, last := d.Now(), d.swept.Load()
	if now-time.Duration(last) < sweepEvery || !d.swept.CompareAndSwap(last, int64(now)) {
		return false
	}
	d.methods.Range(func(name, value any) bool {
		if !value.(*Method).called.Swap(false) { //nolint:forcetypeassert // there is no other type
			d.methods.Delete(name)
			d.count.Add(-1)
		}
		return true
	})
	return d.count.Load() < MaxMethods
}

// Method is the delay of one method, and what it is computed from. A nil Method has
// no delay. It is safe for concurrent use, and takes no lock.
type Method struct {
	delays    *Delays
	all, well histogram
	called    atomic.Bool  // since sweep last looked
	answers   atomic.Int64 // so far, up to leastCalls
	refreshed atomic.Int64 // when delay and fast were computed; 0 if never
	delay     atomic.Int64 // 0 if unknown
	fast      atomic.Int64 // how long the faster calls take; 0 if unknown
}

// Now returns the time by the clock of the delays, 0 for a nil Method.
func (m *Method) Now() time.Duration {
	if m == nil {
		return 0
	}
	return m.delays.Now()
}

// End is how an attempt ended.
type End uint8

// The ends of an attempt.
const (
	// Answered means that the server answered, as it does to such a call.
	Answered End = iota
	// Late means that the attempt was canceled, since it took too long.
	Late
	// Other says nothing about the duration of an answer.
	Other
)

// Delay returns how long an attempt of the method may take before the call is hedged.
// ok is false if that is not known.
func (m *Method) Delay(now time.Duration) (delay time.Duration, ok bool) {
	if m == nil {
		return 0, false
	}
	if m.delays.fixed > 0 {
		return m.delays.fixed, true
	}
	if m.answers.Load() < leastCalls {
		return 0, false
	}
	if at := m.refreshed.Load(); at == 0 || now-time.Duration(at) >= refreshEvery {
		if m.refreshed.CompareAndSwap(at, max(1, int64(now))) {
			m.refresh(now)
		}
	}
	delay = time.Duration(m.delay.Load())
	return delay, delay > 0
}

// refresh computes the delay.
func (m *Method) refresh(now time.Duration) {
	m.delays.paces.compare(now)
	fast, _ := m.all.quantiles(now, fastShare)
	m.fast.Store(int64(fast[0]))
	slowest, n := m.well.quantiles(now, delayShare)
	if n < leastCalls {
		m.delay.Store(0)
		return
	}
	m.delay.Store(int64(max(LeastDelay, time.Duration(delayFactor*float64(slowest[0])))))
}

// Observe takes an attempt into account that took this long on an endpoint.
func (m *Method) Observe(endpoint string, took, now time.Duration, end End) {
	if m == nil || m.delays.fixed > 0 || end == Other {
		return
	}
	fast := time.Duration(m.fast.Load())
	p := m.delays.paces.of(endpoint)
	p.note(end == Late || fast > 0 && took > slowFactor*fast, now)
	if end != Answered {
		return
	}
	m.all.add(took, now)
	if m.delays.paces.well(p) {
		m.well.add(took, now)
	}
	if m.answers.Load() < leastCalls {
		m.answers.Add(1)
	}
}
