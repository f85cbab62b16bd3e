package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// update is an update that the client has received.
type update struct {
	offset int64
	at     time.Time
}

// work is one run's payments and stream of updates.
type work struct {
	submitting, following context.CancelFunc
	// Payments are begun by the submitter, so it has to end before they are waited for.
	submitter, payments, follower sync.WaitGroup

	mu   sync.Mutex
	told map[string]error // by payment
	seen []update
}

// start starts submitting payments at a steady rate, and following the updates.
func start(ctx context.Context, c client, rate int) *work {
	w := &work{told: make(map[string]error)}
	submitting, stopSubmitting := context.WithCancel(ctx)
	following, stopFollowing := context.WithCancel(ctx)
	w.submitting, w.following = stopSubmitting, stopFollowing
	w.submitter.Go(func() {
		ticker := time.NewTicker(time.Second / time.Duration(rate))
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-submitting.Done():
				return
			case <-ticker.C:
				w.payments.Go(func() {
					payment := fmt.Sprint("payment-", n)
					err := c.pay(ctx, payment)
					w.mu.Lock()
					defer w.mu.Unlock()
					w.told[payment] = err
				})
			}
		}
	})
	w.follower.Go(func() {
		c.follow(following, func(offset int64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.seen = append(w.seen, update{offset, time.Now()})
		})
	})
	return w
}

// stop ends the payments, waits briefly until the updates have caught up with them,
// and returns the outcomes and the updates that the client received.
func (w *work) stop() (map[string]error, []update) {
	w.submitting()
	w.submitter.Wait()
	w.payments.Wait()
	cli.Wait(context.Background(), time.Second)
	w.following()
	w.follower.Wait()
	return w.told, w.seen
}

// fault is a fault of the active replica.
type fault struct {
	kind     string // kill or hang
	at       time.Time
	takeover time.Duration // until the other replica was active
	silence  time.Duration // between two updates at that time; 0 means for ever
}

// play kills the active replica after a third of the time, and makes the next one
// hang after two thirds.
func play(ctx context.Context, replicas participant.Replicas, shared participant.Store, lasts time.Duration) ([]fault, error) {
	p1, p2 := replicas[0], replicas[1]
	var faults []fault
	for _, step := range []struct {
		kind            string
		active, standby *participant.Replica
		harm            func() error
		after           func() error
	}{
		{"kill", p1, p2, p1.Kill, func() error { <-p1.Ended(); return p1.Start() }},
		{"hang", p2, p1, func() error { return errors.Join(p2.Stop(), shared.EndSession(ctx)) }, p2.Resume},
	} {
		if !cli.Wait(ctx, lasts/3) {
			return faults, ctx.Err()
		}
		if step.kind == "hang" && !child.CanStop {
			continue
		}
		f := fault{kind: step.kind, at: time.Now()}
		if err := step.harm(); err != nil {
			return faults, err
		}
		waiting, cancel := context.WithTimeout(ctx, participant.StepLimit)
		err := step.standby.Await(waiting, participant.Active)
		cancel()
		if err != nil {
			return faults, err
		}
		f.takeover = time.Since(f.at)
		faults = append(faults, f)
		if !cli.Wait(ctx, lasts/6) { // the server hangs for a while
			return faults, ctx.Err()
		}
		if err := step.after(); err != nil {
			return faults, err
		}
	}
	cli.Wait(ctx, lasts/6)
	return faults, ctx.Err()
}
