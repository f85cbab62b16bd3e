package main

import (
	"context"
	"runtime"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

var (
	metricPairCPU   = metric{name: "processor time per pair, no pause", unit: seconds}
	metricPairWall  = metric{name: "wall time per pair, no pause", unit: seconds}
	metricPairAlloc = metric{name: "bytes allocated per pair, no pause", unit: bytes}
	metricPairSent  = metric{name: "pickers published per pair", unit: count, plain: true}
	metricDown      = metric{name: "time to the picker without it", unit: seconds}
	metricUp        = metric{name: "time to the picker with it", unit: seconds}
)

// flipRest is longer than any policy needs to become idle after a flip.
const flipRest = 25 * time.Millisecond

// scaleFlip measures one pair of health flips, down and up again, with fake
// connections, so that only the policy is measured.
//
// The definition is the same for all policies. The signal is a message on the
// endpoint's health Watch. This library reads it in its probe, the others in a copy
// of grpc's health client that replaces grpc's own, behind RegisterHealthListener.
// The answer is the next picker that the policy publishes. The first pair checks
// that this picker lacks the endpoint, or has it again.
//
// Without a pause the next signal is sent as soon as the previous answer has
// arrived. Processor time and bytes are those of the whole process, divided by the
// number of pairs. The wall time of this library includes the pauses of its flusher
// between two publications. The two times with a pause start from an idle process.
// Processor time is not measured there, since the cost of waking up an idle process
// would dominate.
//
// This library has rise 1 here, since recovery would otherwise wait for a second
// probe, and an interval of a minute, since the thousand Checks a second for this
// many endpoints would otherwise count as a cost of the flips.
func (b *bench) scaleFlip(ctx context.Context, at point, rep int, p policy) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	f, err := openFake(ctx, p, at.n)
	if err != nil {
		return err
	}
	defer f.close()
	victim := f.server(at.n / 2)
	if err = checkFlips(ctx, f, victim, at.n); err != nil {
		return err
	}
	if err = sleep.Context(ctx, flipRest); err != nil {
		return err
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	first, pairs := f.progress.last().seq, 0
	cpu, start := cpuTime(), time.Now()
	for ; time.Since(start) < b.flipFor; pairs++ {
		for _, to := range []servingStatus{notServing, serving} {
			if _, err = flipOnce(ctx, f, victim, to); err != nil {
				return err
			}
		}
	}
	wall := time.Since(start)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	published := f.progress.last().seq - first

	var down, up []float64
	for range b.flipPaced {
		for _, to := range []servingStatus{notServing, serving} {
			if err = sleep.Context(ctx, flipRest); err != nil {
				return err
			}
			took, err := flipOnce(ctx, f, victim, to)
			if err != nil {
				return err
			}
			if to == serving {
				up = append(up, took.Seconds())
			} else {
				down = append(down, took.Seconds())
			}
		}
	}
	n := float64(pairs)
	b.results.addAll(at, rep, []value{
		{metricPairCPU, cpu.Seconds() / n},
		{metricPairWall, wall.Seconds() / n},
		{metricPairAlloc, float64(after.TotalAlloc-before.TotalAlloc) / n},
		{metricPairSent, float64(published) / n},
		{metricDown, stats.Summarize(down).Median},
		{metricUp, stats.Summarize(up).Median},
	})
	return nil
}

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
)

// flipOnce sends the signal and returns how long the answer took.
func flipOnce(ctx context.Context, f *fakeChannel, victim *fakeServer, to servingStatus) (time.Duration, error) {
	last := f.progress.last().seq
	start := time.Now()
	if err := victim.set(ctx, to); err != nil {
		return 0, err
	}
	answer, err := f.progress.after(ctx, last)
	if err != nil {
		return 0, err
	}
	return answer.at.Sub(start), nil
}

// checkFlips checks that the policy does what is measured: the endpoint leaves the
// picker, and returns.
func checkFlips(ctx context.Context, f *fakeChannel, victim *fakeServer, n int) error {
	for _, step := range []struct {
		to   servingStatus
		want int
	}{{notServing, n - 1}, {serving, n}} {
		if err := victim.set(ctx, step.to); err != nil {
			return err
		}
		if _, err := f.progress.await(ctx, n, step.want); err != nil {
			return err
		}
	}
	return nil
}
