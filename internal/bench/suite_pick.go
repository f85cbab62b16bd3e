package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

var (
	metricPick    = metric{name: "time per pick + Done", unit: nanoseconds}
	metricPickCPU = metric{name: "processor time per pick + Done", unit: nanoseconds}
	metricAllocs  = metric{name: "allocations per pick + Done", unit: count, plain: true}
	metricBusy    = metric{name: "processors in use", unit: count, plain: true}
)

// pick measures the cost of the pick of a call and its Done. Each policy is built
// by its own builder with fake connections, and the last picker that it published,
// with all n endpoints, is called in a loop. Each repetition builds the policy
// anew, since the memory layout is part of the cost.
//
// With several threads the time is the wall time divided by the picks of all
// threads, as in go test -bench: if threads did not hinder each other, twice the
// threads would halve it. The processors in use say whether the threads really ran
// at the same time: on a busy machine they do not, and then they do not hinder each
// other either. The processor time, of the whole process, depends less on other
// load of the machine. Allocations are those of the whole process, so that this
// library's probes, which continue meanwhile, appear as a small fraction.
func (b *bench) pick(ctx context.Context) error {
	policies := append([]policy{ours, oursUnprobed, oursLeastLoaded, roundRobin, outlier, weighted, leastRequest, baseStyle}, references...)
	s := section{
		id: "pick", title: "one pick and its Done, connections faked (smaller is better, in the ratios too)",
		policies: policies, baselines: []string{roundRobin.label, outlier.label},
	}
	b.results.sections = append(b.results.sections, s)
	for _, n := range b.pickSizes {
		err := b.interleave(ctx, fmt.Sprintf("pick, n=%d", n), policies, func(rep int, p policy) error {
			return b.pickOne(ctx, s, p, n, rep)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) pickOne(ctx context.Context, s section, p policy, n, rep int) error {
	ready, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	f, err := openFake(ready, p, n)
	if err != nil {
		return err
	}
	defer f.close()
	picker := f.progress.last().state.Picker
	for _, threads := range b.threads {
		if _, err = measurePicks(ctx, picker, threads, b.pickFor/10); err != nil { // a warm-up
			return err
		}
		cost, err := measurePicks(ctx, picker, threads, b.pickFor)
		if err != nil {
			return err
		}
		b.results.addAll(point{section: s.id, n: n, threads: threads, policy: p.label}, rep, []value{
			{metricPick, cost.ns}, {metricPickCPU, cost.cpu}, {metricAllocs, cost.allocs}, {metricBusy, cost.processors},
		})
	}
	return nil
}

// pickBatch is how many picks a thread makes between two looks at the time.
const pickBatch = 512

// pickCost is the cost of one pick and its Done.
type pickCost struct{ ns, cpu, allocs, processors float64 }

// measurePicks makes threads goroutines pick for d.
func measurePicks(ctx context.Context, picker balancer.Picker, threads int, d time.Duration) (pickCost, error) {
	var (
		stop   atomic.Bool
		picks  atomic.Int64
		failed atomic.Value // an error
		wg     sync.WaitGroup
	)
	begin := make(chan struct{})
	for range threads {
		wg.Go(func() {
			info := balancer.PickInfo{FullMethodName: callMethod, Ctx: context.Background()}
			done := balancer.DoneInfo{BytesSent: true, BytesReceived: true}
			mine := int64(0)
			<-begin
			for !stop.Load() {
				for range pickBatch {
					result, err := picker.Pick(info)
					if err != nil {
						failed.Store(fmt.Errorf("a pick among connected endpoints failed: %w", err))
						return
					}
					if result.Done != nil {
						result.Done(done)
					}
				}
				mine += pickBatch
			}
			picks.Add(mine)
		})
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	close(begin)
	err := sleep.Context(ctx, d)
	stop.Store(true)
	wg.Wait()
	took, busy := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	if failure, ok := failed.Load().(error); ok {
		return pickCost{}, failure
	}
	if err != nil {
		return pickCost{}, err
	}
	total := float64(max(picks.Load(), 1))
	return pickCost{
		ns:         float64(took.Nanoseconds()) / total,
		cpu:        float64(busy.Nanoseconds()) / total,
		allocs:     float64(after.Mallocs-before.Mallocs) / total,
		processors: busy.Seconds() / took.Seconds(),
	}, nil
}
