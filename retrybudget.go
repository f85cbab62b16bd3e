package cantonlb

import (
	"sync"
	"time"
)

// retryWindow is the time over which retries are compared with calls, in seconds.
const retryWindow = 10

// retryBudget bounds the retries of one client, so that their load cannot keep the
// servers down. Over the last ten seconds it allows a share of the calls plus a fixed
// number per second. It is safe for concurrent use.
type retryBudget struct {
	share     float64
	perSecond float64

	mu      sync.Mutex
	seconds [retryWindow]retrySecond // by the second, modulo the window
}

type retrySecond struct {
	second         int64
	calls, retries int
}

// call counts one call.
func (b *retryBudget) call(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.atLocked(now).calls++
}

// take takes one retry from the budget. It returns false if none is left.
func (b *retryBudget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	var calls, retries int
	for _, s := range b.seconds {
		if now.Unix()-s.second < retryWindow {
			calls += s.calls
			retries += s.retries
		}
	}
	if float64(retries)+1 > b.share*float64(calls)+b.perSecond*retryWindow {
		return false
	}
	b.atLocked(now).retries++
	return true
}

func (b *retryBudget) atLocked(now time.Time) *retrySecond {
	s := &b.seconds[now.Unix()%retryWindow]
	if s.second != now.Unix() {
		*s = retrySecond{second: now.Unix()}
	}
	return s
}
