package checking

import (
	"context"
	"sync"
	"time"
)

// The defaults of NewBudget.
const (
	// DefaultProbesPerSecond is the rate of probes of one client.
	DefaultProbesPerSecond = 1000
	// DefaultFirstProbes is how many first probes may run at once.
	DefaultFirstProbes = 256
)

// Budget bounds how many probes one client makes, however many endpoints it has.
// Probes at intervals are bounded by their rate, and the first probes of
// connections by how many run at once. All methods are safe for concurrent use. A
// nil *Budget is unlimited.
type Budget struct {
	spacing time.Duration // between two probes at the full rate
	burst   time.Duration // how far ahead of the full rate probes may be
	first   chan struct{} // one element for each first probe that runs

	mu   sync.Mutex // guards next; no other lock is acquired while it is held
	next time.Time  // when the next probe is due, if all come at the full rate
}

// NewBudget returns a Budget of perSecond probes a second, or 1000 if perSecond is
// 0 or less, and of first concurrent first probes, or 256 if first is 0 or less.
// One burst may have up to a tenth of perSecond, and at least one probe.
func NewBudget(perSecond, first int) *Budget {
	if perSecond <= 0 {
		perSecond = DefaultProbesPerSecond
	}
	if first <= 0 {
		first = DefaultFirstProbes
	}
	perSecond = min(perSecond, int(time.Second)) // one a nanosecond
	// Rounded up, so that the rate is never above perSecond.
	spacing := (time.Second + time.Duration(perSecond) - 1) / time.Duration(perSecond)
	return &Budget{
		spacing: spacing,
		burst:   spacing * time.Duration(max(perSecond/10, 1)-1),
		first:   make(chan struct{}, first),
	}
}

// Reserve takes one probe from the budget and returns how long after now it must
// wait. The probe is always taken from the budget, even if the caller does not make
// it. In any span of one second there are at most perSecond probes and one burst.
func (b *Budget) Reserve(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next.Before(now) {
		b.next = now
	}
	wait := b.waitLocked(now)
	b.next = b.next.Add(b.spacing)
	return wait
}

// Stretched reports whether a probe that is due at now would have to wait. The
// budget is then exhausted, and endpoints are probed less often than configured.
func (b *Budget) Stretched(now time.Time) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waitLocked(now) > 0
}

func (b *Budget) waitLocked(now time.Time) time.Duration {
	return max(b.next.Add(-b.burst).Sub(now), 0)
}

// AcquireFirst waits until one more first probe may run. First probes are exempt
// from the rate. The error is that of ctx, if ctx ends first; otherwise every
// AcquireFirst must be followed by a ReleaseFirst.
func (b *Budget) AcquireFirst(ctx context.Context) error {
	if b == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case b.first <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ReleaseFirst ends a first probe. Without a preceding AcquireFirst it does
// nothing.
func (b *Budget) ReleaseFirst() {
	if b == nil {
		return
	}
	select {
	case <-b.first:
	default:
	}
}
