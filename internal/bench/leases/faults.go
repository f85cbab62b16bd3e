//go:build unix

package leases

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease"
)

// fault is what happens to a holder or to its store.
type fault struct {
	name string
	// short says that it is among those of a short run.
	short bool
	// network says that it needs a network of its own.
	network bool
	// only is the one store that can have it; empty means all.
	only string
	// pooler puts pgbouncer between the candidates and their store, and retire is how
	// long their pools keep a connection.
	pooler bool
	retire time.Duration
	// happen makes it happen. It returns after the fault is over; the time of a fault
	// is in units of the TTL.
	happen func(ctx context.Context, s *situation) error
}

const (
	// longFault is how many TTLs a takeover is waited for.
	longFault = 3
	retire    = 500 * time.Millisecond
)

var faults = []fault{
	{name: "killed", happen: kill},
	{name: "stopped and continued", short: true, happen: hang},
	{name: "packets to the store lost", short: true, network: true, happen: func(ctx context.Context, s *situation) error {
		return s.lose(ctx, os.Getpid(), netns.HubInterface(s.holder.number))
	}},
	{name: "packets from the store lost", network: true, happen: func(ctx context.Context, s *situation) error {
		return s.lose(ctx, s.holder.command.Process.Pid, netns.FarInterface)
	}},
	{name: "ended in good order", short: true, happen: func(ctx context.Context, s *situation) error {
		s.holder.signal(syscall.SIGTERM)
		s.settle(ctx)
		return nil
	}},
	{name: "store restarted", happen: func(ctx context.Context, s *situation) error {
		s.store.stop()
		s.store.start()
		sleep.For(ctx, longFault*s.ttl)
		return nil
	}},
	{name: "store away for two TTLs", happen: func(ctx context.Context, s *situation) error {
		s.store.stop()
		sleep.For(ctx, 2*s.ttl)
		s.store.start()
		sleep.For(ctx, longFault*s.ttl)
		return nil
	}},
	{name: "pool retires connections", only: postgres, retire: retire, happen: func(ctx context.Context, s *situation) error {
		sleep.For(ctx, longFault*s.ttl)
		return nil
	}},
	{name: "killed behind pgbouncer", only: postgres, pooler: true, happen: kill},
	{name: "stopped behind pgbouncer", only: postgres, pooler: true, happen: hang},
}

func faultNamed(name string) fault {
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	return fault{}
}

func kill(ctx context.Context, s *situation) error {
	s.holder.signal(syscall.SIGKILL)
	s.settle(ctx)
	return nil
}

func hang(ctx context.Context, s *situation) error {
	s.holder.signal(syscall.SIGSTOP)
	s.settle(ctx)
	s.holder.signal(syscall.SIGCONT)
	sleep.For(ctx, s.ttl)
	return nil
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

// lose loses the packets that arrive at an interface in the namespace of a process, until
// the other candidate holds the lease.
func (s *situation) lose(ctx context.Context, pid int, iface string) error {
	if err := netns.Drop(ctx, pid, iface); err != nil {
		return err
	}
	s.settle(ctx)
	if err := netns.Restore(ctx, pid); err != nil {
		return err
	}
	sleep.For(ctx, s.ttl)
	return nil
}
