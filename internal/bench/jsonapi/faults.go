//go:build unix

package jsonapi

import (
	"context"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// fault is one way in which the servers fail, for a while.
type fault struct {
	name, text string
	// harm does it and heals it. It returns after the healing.
	harm func(ctx context.Context, hold time.Duration, servers []*server) error
}

// faults lists the faults, in the order of the table. The first server is the victim: it
// is the only one that a client of one address has.
var faults = []fault{
	{"none", "nothing happens", func(ctx context.Context, hold time.Duration, _ []*server) error { return sleep.Context(ctx, hold) }},
	{"kill", "a server is killed (SIGKILL), and started again", func(ctx context.Context, hold time.Duration, s []*server) error {
		s[0].end(syscall.SIGKILL)
		if err := sleep.Context(ctx, hold); err != nil {
			return err
		}
		return s[0].start(ctx)
	}},
	{"sigstop", "a server is stopped (SIGSTOP), and goes on", func(ctx context.Context, hold time.Duration, s []*server) error {
		if err := s[0].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		err := sleep.Context(ctx, hold)
		_ = s[0].cmd.Process.Signal(syscall.SIGCONT)
		return err
	}},
	{"unready", "a server answers 503, on /readyz too", func(ctx context.Context, hold time.Duration, s []*server) error {
		return controlled(ctx, hold, s[0], "unready")
	}},
	{"slow", "a server takes 0.5 s for each response; its /readyz is fast", func(ctx context.Context, hold time.Duration, s []*server) error {
		return controlled(ctx, hold, s[0], "slow")
	}},
	{"restart", "a server is restarted in good order (SIGTERM)", func(ctx context.Context, hold time.Duration, s []*server) error {
		s[0].end(syscall.SIGTERM)
		if err := sleep.Context(ctx, hold/4); err != nil {
			return err
		}
		return s[0].start(ctx)
	}},
	{"rolling", "the servers are restarted in good order, one after the other", func(ctx context.Context, hold time.Duration, s []*server) error {
		for _, x := range s {
			x.end(syscall.SIGTERM)
			if err := sleep.Context(ctx, hold/4); err != nil {
				return err
			}
			if err := x.start(ctx); err != nil {
				return err
			}
			if err := sleep.Context(ctx, hold/2); err != nil {
				return err
			}
		}
		return nil
	}},
}

func controlled(ctx context.Context, hold time.Duration, s *server, what string) error {
	if err := s.control(ctx, what); err != nil {
		return err
	}
	if err := sleep.Context(ctx, hold); err != nil {
		return err
	}
	return s.control(ctx, "normal")
}
