package telling_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/experimental/stats"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// recorder counts what it is told, after it has done what it is given to do.
type recorder struct {
	stats.UnimplementedMetricsRecorder

	before func()
	n      atomic.Int64
}

func (r *recorder) RecordInt64Count(*stats.Int64CountHandle, int64, ...string) {
	if r.before != nil {
		r.before()
	}
	r.n.Add(1)
}

func (*recorder) RegisterAsyncReporter(stats.AsyncMetricReporter, ...stats.AsyncMetric) func() {
	return func() {}
}

func ExampleTeller() {
	teller := telling.New("healthy_round_robin", "static:///sequencers", new(recorder))
	teller.Event(report.Event{
		Kind: report.EventEndpoint, Endpoint: "seq1", From: report.StateHealthy, To: report.StateUnhealthy,
		Reason: report.ReasonNotServing,
	})
	for _, e := range teller.Events() {
		fmt.Println(e.Number, e)
	}
	teller.Close(context.Background())
	// Output: 1 endpoint "seq1": healthy -> unhealthy (not_serving)
}

func change(n int) report.Event {
	return report.Event{Kind: report.EventEndpoint, Endpoint: fmt.Sprint(n), To: report.StateHealthy}
}

// A recorder that blocks, and one that calls back, hold up nothing that tells.
func TestARecorderThatBlocksHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		r := &recorder{before: func() { <-blocked }}
		teller := telling.New("p", "t", r)
		for n := range 100 {
			teller.Event(change(n))
			teller.Ejection("a")
		}
		assert.Len(t, teller.Events(), 100)
		before := time.Now()
		teller.Close(closing(t))
		assert.Equal(t, time.Second, time.Since(before), "it is patient, but not for ever")
		close(blocked)
		synctest.Wait()
		assert.Greater(t, r.n.Load(), int64(200), "and misses nothing")
	})
}

func TestARecorderMayCallBackAndMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Pointer[telling.Teller] // New tells the recorder already
		r := new(recorder)
		r.before = func() {
			if teller := made.Load(); teller != nil {
				_ = teller.Events()
			}
			panic("on purpose")
		}
		teller := telling.New("p", "t", r)
		made.Store(teller)
		teller.Event(change(1))
		synctest.Wait()
		r.before = nil
		teller.Event(change(2))
		teller.Close(closing(t))
		teller.Event(change(3))
		assert.Equal(t, int64(1), r.n.Load(), "it goes on, until it is closed")
		assert.Len(t, teller.Events(), 2)
		teller.Close(closing(t))
	})
}

// A quiet stream on a server that answers probes caused a suspicion and its end every
// second.
func TestSuspicionsDoNotDisplaceChanges(t *testing.T) {
	teller := telling.New("p", "t", new(recorder))
	teller.LogTo(slog.New(slog.DiscardHandler))
	suspicion := report.Event{Kind: report.EventEndpoint, Endpoint: "a", From: report.StateHealthy, To: report.StateSuspect}
	over := report.Event{Kind: report.EventEndpoint, Endpoint: "a", From: report.StateSuspect, To: report.StateHealthy}
	for n := range 768 {
		teller.Event(change(n))
		for range 10 {
			teller.Event(suspicion)
			teller.Event(over)
		}
	}
	events := teller.Events()
	assert.Len(t, events, telling.Kept)
	n := 0
	for _, e := range events {
		if !e.IsSuspicion() {
			assert.Equal(t, fmt.Sprint(n), e.Endpoint)
			n++
		}
	}
	assert.Equal(t, 768, n, "all of them are kept")
	kept, missed := teller.FollowFrom(0).Read()
	assert.Equal(t, events, kept)
	assert.Equal(t, events[len(events)-1].Number, uint64(len(kept))+missed)
	kept, missed = teller.FollowFrom(events[1].Number).Read()
	assert.Equal(t, events[1:], kept)
	assert.NotZero(t, missed, "suspicions in between")
	teller.Close(closing(t))
}

func TestEventsAreNumberedAndThoseWhoFollowHaveThemAll(t *testing.T) {
	teller := telling.New("p", "t", new(recorder))
	teller.LogTo(slog.New(slog.DiscardHandler))
	follows := teller.Follow()
	for n := range 10 {
		teller.Event(change(n))
	}
	events, missed, err := follows.Next(context.Background())
	assert.NoError(t, err)
	assert.Zero(t, missed)
	assert.Len(t, events, 10)
	for i, e := range events {
		assert.Equal(t, uint64(i+1), e.Number)
	}
	teller.Close(closing(t))
}

// closing returns the context of a Close, which lasts for a second.
func closing(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	t.Cleanup(cancel)
	return ctx
}
