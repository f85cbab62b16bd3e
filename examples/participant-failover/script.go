package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

const (
	// heldTime is how long the script checks that no replica takes over from a
	// stopped one.
	heldTime = 3 * time.Second
)

// script disturbs the replicas.
type script struct {
	replicas participant.Replicas
	shared   participant.Store
	client   *cantonlb.Client
	pause    time.Duration
	out      func(string, ...any)

	expected int // switches
}

// play carries out the steps, one after the other.
func (s *script) play(ctx context.Context) error {
	if err := s.awaitActive(ctx, s.replicas[0]); err != nil {
		return err
	}
	p1, p2 := s.replicas[0], s.replicas[1]
	s.out("%s is active, %s is a standby", p1.Name, p2.Name)
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.kill(ctx, p1, p2) },
		func(ctx context.Context) error { return s.stepDown(ctx, p2, p1) },
		func(ctx context.Context) error { return s.stop(ctx, p1, p2) },
	} {
		if !cli.Wait(ctx, s.pause) {
			return ctx.Err()
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	cli.Wait(ctx, s.pause)
	return nil
}

// kill ends the active replica by SIGKILL. The kernel closes its connections, so
// that the store frees the lock, and the other takes it.
func (s *script) kill(ctx context.Context, active, standby *participant.Replica) error {
	began := time.Now()
	s.out("%s is killed (SIGKILL): its session ends with it, and the lock is free", active.Name)
	if err := active.Kill(); err != nil {
		return err
	}
	if err := s.takeover(ctx, standby, began); err != nil {
		return err
	}
	<-active.Ended()
	return active.Start()
}

// stepDown makes the active replica step down, as before an upgrade.
func (s *script) stepDown(ctx context.Context, active, standby *participant.Replica) error {
	began := time.Now()
	s.out("%s steps down: it says NOT_SERVING, finishes its calls, and frees the lock", active.Name)
	if err := active.StepDown(); err != nil {
		return err
	}
	return s.takeover(ctx, standby, began)
}

// stop stops the active replica while it holds the lock, as happens on a machine
// that swaps or when a virtual machine is moved.
func (s *script) stop(ctx context.Context, active, standby *participant.Replica) error {
	if !child.CanStop {
		s.out("a process cannot be stopped on this system: that step is left out")
		return nil
	}
	s.out("%s is stopped (SIGSTOP): it no longer serves, but its session is alive, and so it keeps the lock", active.Name)
	if err := active.Stop(); err != nil {
		return err
	}
	if !cli.Wait(ctx, heldTime) {
		return ctx.Err()
	}
	if now := s.client.Status().Failover.Active; now != "" {
		return fmt.Errorf("%q is active for the client, while a stopped replica holds the lock", now)
	}
	s.out("no replica has taken over after %v: that would not be safe, since %s could continue at any moment. Calls wait", heldTime, active.Name)

	began := time.Now()
	s.out("an administrator ends the session: the lock is free, and %s cannot write any more", active.Name)
	if err := s.shared.EndSession(ctx); err != nil {
		return err
	}
	if err := s.takeover(ctx, standby, began); err != nil {
		return err
	}

	s.out("%s continues (SIGCONT), and believes that it is active", active.Name)
	if err := active.Resume(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	if err := active.Await(ctx, participant.Passive); err != nil {
		return err
	}
	s.out("%s has noticed that its session has ended and is passive; late writes that were refused: %d", active.Name, active.Refused())
	return nil
}

// takeover waits until a replica is active and the client has switched to it.
func (s *script) takeover(ctx context.Context, standby *participant.Replica, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	if err := standby.Await(ctx, participant.Active); err != nil {
		return err
	}
	taken := time.Now()
	s.expected++
	if err := s.awaitActive(ctx, standby); err != nil {
		return err
	}
	s.out("%s has taken over after %v; the client follows after %v more", standby.Name,
		taken.Sub(began).Round(time.Millisecond), time.Since(taken).Round(time.Millisecond))
	return nil
}

// awaitActive waits until a replica is the client's active endpoint.
func (s *script) awaitActive(ctx context.Context, r *participant.Replica) error {
	ctx, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	for range s.client.Subscribe(ctx) {
		if s.client.Status().Failover.Active == r.Name {
			return nil
		}
	}
	return fmt.Errorf("the client has not switched to %s: %+v", r.Name, s.client.Status().Failover)
}
