package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb"
)

const (
	// seenLimit is how long the client may take to show a step in its status, and
	// lookInterval is how often the status is checked.
	seenLimit    = 10 * time.Second
	lookInterval = time.Millisecond
)

// step is something that happens to a server, with a check whether the client's
// status shows it.
type step struct {
	title  string
	server string
	do     action
	seen   func(cantonlb.EndpointStatus) bool
}

// script is the list of steps, in order. Each step waits for its time, and until
// the client has seen the previous one.
var script = append([]step{
	{"seq2 says NOT_SERVING", "seq2", tell(commandNotServing), isOut},
	{"seq2 says SERVING", "seq2", tell(commandServing), isIn},
	{"seq3 stops gracefully", "seq3", tell(commandStop), isOut},
	{"seq3 starts again", "seq3", start, isIn},
	{"seq1 is killed", "seq1", kill, isOut},
	{"seq1 starts again", "seq1", start, isIn},
}, hanging...)

func isIn(e cantonlb.EndpointStatus) bool  { return e.Eligible }
func isOut(e cantonlb.EndpointStatus) bool { return !e.Eligible }

// action does something to a server, and returns the time from which a client can
// notice it.
type action func(context.Context, *server) (time.Time, error)

func tell(command string) action {
	return func(_ context.Context, s *server) (time.Time, error) {
		return time.Now(), s.tell(command)
	}
}

func kill(_ context.Context, s *server) (time.Time, error) { return time.Now(), s.kill() }

func start(ctx context.Context, s *server) (time.Time, error) {
	err := s.start(ctx)
	return time.Now(), err
}

// play runs the script: one step each pause, the first one pause after began. It
// calls onStep after each step, and prints each step and how long the client took
// to notice it.
func play(ctx context.Context, c cluster, client *cantonlb.Client, began time.Time, pause time.Duration,
	onStep func(title string), out *screen,
) error {
	for i, st := range script {
		if err := waitUntil(ctx, began.Add(time.Duration(i+1)*pause)); err != nil {
			return err
		}
		target, err := c.server(st.server)
		if err != nil {
			return err
		}
		since, err := st.do(ctx, target)
		if err != nil {
			return fmt.Errorf("%s: %w", st.title, err)
		}
		onStep(st.title)
		out.linef("%6.2fs  %s", since.Sub(began).Seconds(), st.title)
		e, err := waitSeen(ctx, client, st)
		if err != nil {
			return fmt.Errorf("%s: %w", st.title, err)
		}
		out.linef("         the client knows after %v: %s", time.Since(since).Round(100*time.Microsecond), describe(e))
	}
	return nil
}

// waitSeen waits until the client's status shows the step.
func waitSeen(ctx context.Context, client *cantonlb.Client, st step) (cantonlb.EndpointStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, seenLimit)
	defer cancel()
	for {
		for _, e := range client.Status().Endpoints {
			if e.Name == st.server && st.seen(e) {
				return e, nil
			}
		}
		if err := waitUntil(ctx, time.Now().Add(lookInterval)); err != nil {
			return cantonlb.EndpointStatus{}, fmt.Errorf("the client's status does not show it: %w", err)
		}
	}
}

// describe describes in a few words how the client sees an endpoint.
func describe(e cantonlb.EndpointStatus) string {
	eligible := "not eligible"
	if e.Eligible {
		eligible = "eligible"
	}
	return fmt.Sprintf("%s is %s (%v, %s; connection %v)", e.Name, eligible, e.State, e.Reason, e.Connection)
}

// waitUntil waits until a moment, or until ctx ends; its error is that of ctx.
func waitUntil(ctx context.Context, moment time.Time) error {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}
