package lease

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// ErrLost is the cause of the context of work whose lease was lost; see context.Cause.
// The text of the cause includes the reason.
var ErrLost = errors.New("lease: lost")

// ErrYielded is the cause of the context of work whose lease a Group releases to
// another process.
var ErrYielded = errors.New("lease: left to a process that has fewer")

// Lease is the lease as its holder has it. It is a small value that may be copied, and
// its methods are safe for concurrent use.
type Lease struct {
	// Name is the name of the lease.
	Name string
	// Holder is the holder: Config.Holder and random digits.
	Holder string
	// Token is the fencing token. It is greater than that of any holder before.
	Token uint64

	term *term
}

// Valid reports whether the lease is certainly held at the time of the call. It is
// false from Margin before another candidate can acquire the lease, from the first
// instruction after a pause in which that time was reached, and after work has
// returned. An action that begins while it is true can still be overtaken by a pause:
// only a check of the token where it writes prevents that.
func (l Lease) Valid() bool { return l.Left() > 0 }

// Left returns for how long the lease is still valid if it is not renewed; 0 or less
// if it is not.
func (l Lease) Left() time.Duration {
	if l.term == nil {
		return 0
	}
	return l.term.left()
}

// Until returns the time at which Valid becomes false if the lease is not renewed, by
// the present wall clock. It moves with each renewal.
func (l Lease) Until() time.Time { return time.Now().Add(l.Left()) }

// term is one period of holding a lease.
type term struct {
	clock Clock
	until atomic.Int64 // a reading of clock
}

// longAgo is before any reading of a clock.
const longAgo = math.MinInt64 / 2

func (t *term) left() time.Duration {
	until := time.Duration(t.until.Load()) // before the clock, so that a pause in between counts
	return until - t.clock()
}

func (t *term) end() { t.until.Store(longAgo) }

// leaseKey is the key of the Lease in the context of work.
type leaseKey struct{}

// FromContext returns the lease under which work runs, from its context or one that
// is derived from that.
func FromContext(ctx context.Context) (l Lease, ok bool) {
	l, ok = ctx.Value(leaseKey{}).(Lease)
	return l, ok
}

// workContext ends when the lease does, even if no timer could fire yet: its Err reads
// the clock.
type workContext struct {
	context.Context //nolint:containedctx // it is one

	lease  Lease
	cancel context.CancelCauseFunc
}

func newWorkContext(parent context.Context, l Lease) *workContext {
	ctx, cancel := context.WithCancelCause(parent)
	return &workContext{Context: ctx, lease: l, cancel: cancel}
}

// Err is that of context.Context.
func (c *workContext) Err() error {
	if !c.lease.Valid() {
		c.cancel(lost(report.ReasonLeaseNotRenewed))
	}
	return c.Context.Err()
}

// Value is that of context.Context.
func (c *workContext) Value(key any) any {
	if key == (leaseKey{}) {
		return c.lease
	}
	return c.Context.Value(key)
}
