//go:build unix

package leases

import (
	"context"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease"
)

// fault is what happens to a holder or to its store.
type fault struct {
	name string
	// store says that the fault is one of the store, which not every store can have.
	store bool
	// happen makes it happen. It returns after the fault is over; the time of a fault
	// is in units of the TTL.
	happen func(ctx context.Context, s *situation)
}

// The longest fault is several times as long as a lease without a renewal.
const longFault = 3

var faults = []fault{
	{name: "killed", happen: func(ctx context.Context, s *situation) {
		s.holder.signal(syscall.SIGKILL)
		s.settle(ctx)
	}},
	{name: "stopped and continued", happen: func(ctx context.Context, s *situation) {
		s.holder.signal(syscall.SIGSTOP)
		s.settle(ctx)
		s.holder.signal(syscall.SIGCONT)
		sleep.For(ctx, s.ttl)
	}},
	{name: "cut off", happen: func(ctx context.Context, s *situation) {
		s.holder.link.cut()
		s.settle(ctx)
		s.holder.link.mend()
		sleep.For(ctx, s.ttl)
	}},
	{name: "ended in good order", happen: func(ctx context.Context, s *situation) {
		s.holder.signal(syscall.SIGTERM)
		s.settle(ctx)
	}},
	{name: "store restarted", store: true, happen: func(ctx context.Context, s *situation) {
		s.store.stop()
		s.store.start()
		sleep.For(ctx, longFault*s.ttl)
	}},
	{name: "store away", store: true, happen: func(ctx context.Context, s *situation) {
		s.store.stop()
		sleep.For(ctx, 2*s.ttl)
		s.store.start()
		sleep.For(ctx, longFault*s.ttl)
	}},
}

// situation is a holder, and a candidate that watches.
type situation struct {
	ttl           time.Duration
	store         server
	holder, other *candidate
	began         time.Duration // when the fault began, by lease.System
}

// settle waits until the other candidate holds the lease, or for longFault TTLs.
func (s *situation) settle(ctx context.Context) {
	for until := s.began + longFault*s.ttl; lease.System() < until && s.other.starts() == 0; {
		if !sleep.For(ctx, pace) {
			return
		}
	}
	sleep.For(ctx, s.ttl/3) // the other one acts for a while
}
