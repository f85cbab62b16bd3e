package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/lease"
)

// script lets faults happen to the machines, one after the other.
type script struct {
	east, west *machine
	diary      *diary
	pause      time.Duration
	out        func(string, ...any)
}

// play carries out the steps.
func (s *script) play(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.begin, s.killed, s.hung, s.partitioned, s.ended} {
		if err := step(ctx); err != nil {
			return err
		}
		if !cli.Wait(ctx, s.pause) {
			return ctx.Err()
		}
	}
	return nil
}

// begin starts all processes, so that each machine holds one lease.
func (s *script) begin(ctx context.Context) error {
	for _, p := range []struct {
		on   *machine
		rule string
	}{{s.east, "pink"}, {s.west, "green"}, {s.east, "green"}, {s.west, "pink"}} {
		if err := p.on.start(ctx, p.rule); err != nil {
			return err
		}
	}
	s.out("pink runs on east, green on west; each machine has a process that stands by for the other rule")
	return nil
}

// killed kills the machine that runs pink.
func (s *script) killed(ctx context.Context) error {
	s.out("east is killed (SIGKILL)")
	from, began := s.diary.mark(), lease.System()
	if err := s.east.kill(); err != nil {
		return err
	}
	if err := s.takeover(ctx, "pink", s.west, from, began); err != nil {
		return err
	}
	s.out("east is started again, and stands by")
	return s.east.startAll(ctx)
}

// hung stops the machine that runs both, and lets it continue when the other one acts.
func (s *script) hung(ctx context.Context) error {
	if !child.CanStop {
		s.out("a process cannot be stopped on this system: that step is left out")
		return nil
	}
	s.out("west is stopped (SIGSTOP): its processes and their connections are still there")
	from, began := s.diary.mark(), lease.System()
	if err := s.west.each(func(p *process) error { return p.Stop() }); err != nil {
		return err
	}
	for _, rule := range rules {
		if err := s.takeover(ctx, rule, s.east, from, began); err != nil {
			return err
		}
	}
	from = s.diary.mark()
	s.out("west continues (SIGCONT), in the middle of what it did")
	if err := s.west.each(func(p *process) error { return p.Resume() }); err != nil {
		return err
	}
	for _, rule := range rules {
		if err := s.lost(ctx, rule, s.west, from); err != nil {
			return err
		}
	}
	s.out("west has noticed that it lost both leases, and stands by")
	return nil
}

// partitioned cuts the machine that runs both off from the database with the leases. It
// still reaches the ledger.
func (s *script) partitioned(ctx context.Context) error {
	s.out("east is cut off from the database with the leases; the ledger it still reaches")
	from, began := s.diary.mark(), lease.System()
	s.east.link.Cut()
	for _, rule := range rules {
		if err := s.lost(ctx, rule, s.east, from); err != nil {
			return err
		}
		s.out("%s on east has stopped by itself, %v after it was cut off", rule, (s.diary.last(rule, s.east) - began).Round(time.Millisecond))
	}
	for _, rule := range rules {
		if err := s.takeover(ctx, rule, s.west, from, began); err != nil {
			return err
		}
	}
	s.out("east can reach the database again, and stands by")
	s.east.link.Mend()
	return nil
}

// ended ends a process in good order.
func (s *script) ended(ctx context.Context) error {
	s.out("pink on west ends in good order")
	from, began := s.diary.mark(), lease.System()
	s.west.processes["pink"].Close()
	return s.takeover(ctx, "pink", s.east, from, began)
}

// takeover waits until a rule runs on a machine.
func (s *script) takeover(ctx context.Context, rule string, on *machine, from int, began time.Duration) error {
	at, err := s.diary.holder(ctx, rule, on, from)
	if err == nil {
		s.out("%s runs on %s, %v later", rule, on.name, (at - began).Round(time.Millisecond))
	}
	return err
}

// lost waits until a machine has noticed that it lost the lease of a rule.
func (s *script) lost(ctx context.Context, rule string, on *machine, from int) error {
	what := fmt.Sprintf("%s on %s to lose its lease", rule, on.name)
	return s.diary.await(ctx, what, on.processes[rule].Ended(), func(list []entry) bool {
		for _, e := range list[from:] {
			if e.who == on.processes[rule] && e.word == sayEvent && e.text == string(lease.EventLost) {
				return true
			}
		}
		return false
	})
}
