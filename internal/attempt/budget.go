package attempt

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"
)

// retryWindow is the time over which retries are compared with calls, in seconds.
const retryWindow = 10

// hedgeShare is the share of the budget that hedges may use. Rescues and retries may
// use all of it: otherwise one slow server would leave nothing for calls that fail.
const hedgeShare = 0.5

// Budget bounds the retries of one client, so that their load cannot keep the
// servers down. Over the last ten seconds it allows a share of the calls plus a fixed
// number per second. It is safe for concurrent use. To count a call takes no lock.
type Budget struct {
	share     float64
	perSecond float64
	began     time.Time // seconds count from here, so that a clock that is set changes nothing

	seconds [retryWindow]retrySecond // by the second, modulo the window

	mu sync.Mutex // held while a retry is taken
}

// The defaults of a Budget.
const (
	defaultShare     = 0.2
	defaultPerSecond = 10
)

// NewBudget returns a Budget. 0 means the default, 0.2 of the calls and 10 a second;
// a negative number means none.
func NewBudget(share, perSecond float64) *Budget {
	return &Budget{
		share:     max(0, cmp.Or(share, defaultShare)),
		perSecond: max(0, cmp.Or(perSecond, defaultPerSecond)),
		began:     time.Now(),
	}
}

// retrySecond counts what began in one second. A call that is counted while the second
// begins may be lost.
type retrySecond struct {
	second                 atomic.Int64
	calls, retries, hedges atomic.Int64 // retries includes hedges
}

// Call counts one call.
func (b *Budget) Call(now time.Time) { b.at(now).calls.Add(1) }

// Take takes one retry from the budget. It returns false if none is left.
func (b *Budget) Take(now time.Time) bool { return b.takeFor(now, false) }

// TakeHedge takes one hedge from the budget. It returns false if none is left.
func (b *Budget) TakeHedge(now time.Time) bool { return b.takeFor(now, true) }

func (b *Budget) takeFor(now time.Time, hedge bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	var calls, retries, hedges int64
	second := b.second(now)
	for i := range b.seconds {
		if s := &b.seconds[i]; second-s.second.Load() < retryWindow {
			calls += s.calls.Load()
			retries += s.retries.Load()
			hedges += s.hedges.Load()
		}
	}
	allowed := b.share*float64(calls) + b.perSecond*retryWindow
	if float64(retries)+1 > allowed || hedge && float64(hedges)+1 > hedgeShare*allowed {
		return false
	}
	s := b.at(now)
	s.retries.Add(1)
	if hedge {
		s.hedges.Add(1)
	}
	return true
}

// second returns the number of a time's second.
func (b *Budget) second(now time.Time) int64 { return max(0, int64(now.Sub(b.began)/time.Second)) }

// at returns the counts of a time's second. A goroutine that was stopped after it had
// read the clock may be late: what it counts belongs to the newer second.
func (b *Budget) at(now time.Time) *retrySecond {
	second := b.second(now)
	s := &b.seconds[second%retryWindow]
	if was := s.second.Load(); was < second && s.second.CompareAndSwap(was, second) {
		s.calls.Store(0)
		s.retries.Store(0)
		s.hedges.Store(0)
	}
	return s
}
