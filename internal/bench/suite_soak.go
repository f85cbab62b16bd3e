package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/faulttest"
	"github.com/cantonlb/cantonlb/lbtest"
)

// onDemand lists the suites that run only if they are named.
var onDemand = []suite{
	{"soak", (*bench).soak},
	{"probes", (*bench).probes},
	{quorumName, (*bench).quorum},
	{leaseName, (*bench).lease},
	{httpName, (*bench).http},
	{namesName, (*bench).names},
}

// soakSizes say how long the soak lasts: until either bound is reached; 0 means no
// bound.
type soakSizes struct {
	lasts time.Duration
	calls uint64
	hedge bool // idempotent calls are hedged early
}

const (
	soakFull  = 20 * time.Minute
	soakShort = 30 * time.Second
	// soakHedges is how many calls a second may be hedged in any case.
	soakHedges = 10_000
	// soakReport is the pause between two lines of progress.
	soakReport = 10 * time.Second
)

// soakFlags adds the flags of the soak, and returns the function that reads them.
func soakFlags(flags *flag.FlagSet) func(*options) error {
	lasts := flags.Duration("for", 0, "how long the soak lasts (default 20m, with -short 30s, with -calls no bound)")
	calls := flags.Int64("calls", 0, "how many calls the soak makes (default: no bound)")
	hedge := flags.Bool("hedge", false, "the soak hedges idempotent calls, after 1 ms, with a large retry budget")
	return func(o *options) error {
		defer func() { o.soaking.hedge = *hedge }()
		if *lasts < 0 {
			return fmt.Errorf("for %v: want a duration above 0", *lasts)
		}
		if *calls < 0 {
			return fmt.Errorf("calls %d: want a whole number above 0", *calls)
		}
		switch {
		case *lasts > 0 || *calls > 0:
			o.soaking = soakSizes{lasts: *lasts, calls: uint64(*calls)}
		case o.short:
			o.soaking = soakSizes{lasts: soakShort}
		default:
			o.soaking = soakSizes{lasts: soakFull}
		}
		return nil
	}
}

var (
	metricSoakCalls  = metric{name: "calls", unit: count}
	metricReads      = metric{name: "reads, idempotent", unit: count}
	metricReadsLost  = metric{name: "reads that failed", unit: count}
	metricReadsAgain = metric{name: "reads that arrived once more", unit: count}
	metricReadSlow   = metric{name: "the slowest read", unit: seconds}
	metricWrites     = metric{name: "writes, not idempotent", unit: count}
	metricWritesFail = metric{name: "writes that failed", unit: count}
	metricStreams    = metric{name: "streams", unit: count}
	metricStreamsCut = metric{name: "streams that broke", unit: count}
	metricFaults     = metric{name: "faults", unit: count}
	metricViolations = metric{name: "violations", unit: count}
)

// soak breaks real servers on TCP at random, one step a second, while a client
// makes calls of all kinds. See package faulttest for the faults, how enough
// servers are left alone, and what is checked: no idempotent call fails, no other
// arrives twice, no answer is another call's, and every server is back in rotation
// soon after its fault. In addition, the goroutines, the connections and the live
// heap of the process, servers included, must not grow, and nothing may be left
// running at the end.
//
// A violation is printed, and is an error.
func (b *bench) soak(ctx context.Context) error {
	b.results.sections = append(b.results.sections, section{
		id: "soak", title: fmt.Sprintf("random faults on %d servers, -seed %d", faulttest.Servers, b.seed), policies: []policy{ours},
	})
	before := runtime.NumGoroutine()
	f, err := b.soakCluster()
	if err != nil {
		return err
	}
	samples := &samples{bench: f}
	sayf(b.log, "soak: -seed %d\n", b.seed)
	report, err := faulttest.Run(ctx, f.bench(), faulttest.Config{
		Seed: b.seed, For: b.soaking.lasts, Calls: b.soaking.calls,
		OnTick: func(t faulttest.Tick) {
			samples.take()
			b.progress(t, samples)
		},
	})
	problems := slices.Concat(f.t.failures(), report.Violations)
	if more := report.Violated - len(report.Violations); more > 0 {
		problems = append(problems, fmt.Sprintf("and %d more violations", more))
	}
	f.close()
	if err != nil {
		return errors.Join(err, problemsError(problems))
	}
	b.calm(ctx, before)
	if now := runtime.NumGoroutine(); now > before {
		problems = append(problems, fmt.Sprintf("%d goroutines are left running, of %d before", now, before))
	}
	growth := samples.growth()
	for _, g := range growth {
		problems = append(problems, g.problem()...)
	}
	b.soakResults(report, growth, len(problems))
	sayf(b.log, "soak: %v\n", report)
	return problemsError(problems)
}

// problemsError returns one error for all problems, nil if there are none.
func problemsError(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n  "))
}

// progress prints a line from time to time.
func (b *bench) progress(t faulttest.Tick, s *samples) {
	if t.Number%int(soakReport/time.Second) != 0 {
		return
	}
	now := s.list[len(s.list)-1]
	sayf(b.log, "soak: %4d s, %d calls (failed: %d reads, %d writes, %d streams), %d violations; %.0f goroutines, %.0f connections, %s live heap\n",
		t.Number, t.Report.Calls(), t.Report.Reads.Failed, t.Report.Writes.Failed, t.Report.Follows.Failed, t.Report.Violated,
		now[goroutineGrowth], now[connectionGrowth], bytes.format(now[heapGrowth]))
}

func (b *bench) soakResults(r faulttest.Report, growth []growth, violations int) {
	begun := 0
	for _, n := range r.Faults {
		begun += n
	}
	values := []value{
		{metricSoakCalls, float64(r.Calls())},
		{metricReads, float64(r.Reads.OK + r.Reads.Failed)},
		{metricReadsLost, float64(r.Reads.Failed)},
		{metricReadsAgain, float64(r.Again)},
		{metricReadSlow, r.Slowest.Seconds()},
		{metricWrites, float64(r.Writes.OK + r.Writes.Failed)},
		{metricWritesFail, float64(r.Writes.Failed)},
		{metricStreams, float64(r.Follows.OK + r.Follows.Failed)},
		{metricStreamsCut, float64(r.Follows.Failed)},
		{metricFaults, float64(begun)},
		{metricViolations, float64(violations)},
	}
	for _, g := range growth {
		values = append(values, g.values()...)
	}
	b.results.addAll(point{section: "soak", n: faulttest.Servers, policy: ours.label}, 0, values)
}

// soakBench holds the servers and the client of a soak.
type soakBench struct {
	t       *kitT
	cluster *lbtest.Cluster
	client  *cantonlb.Client
	witness *faulttest.Witness
}

func (b *bench) soakCluster() (*soakBench, error) {
	f := &soakBench{t: new(kitT), witness: faulttest.NewWitness()}
	f.cluster = lbtest.NewCluster(f.t, faulttest.Servers, faulttest.Register, lbtest.OnTCP(), f.witness.Options())
	cfg := faulttest.ClientConfig(f.cluster)
	if b.soaking.hedge {
		cfg.Hedge, cfg.RetryBudget = &cantonlb.Hedge{Delay: time.Millisecond}, cantonlb.RetryBudget{Share: 1, PerSecond: soakHedges}
	}
	client, err := cantonlb.NewClient(cfg, f.cluster.DialOptions()...)
	if err != nil {
		f.t.end()
		return nil, err
	}
	f.client = client
	return f, nil
}

func (f *soakBench) bench() *faulttest.Bench {
	return &faulttest.Bench{Cluster: f.cluster, Client: f.client, Witness: f.witness}
}

// connections returns the number of connections at the servers.
func (f *soakBench) connections() int {
	n := 0
	for i := range f.cluster.Len() {
		n += f.cluster.Conns(i)
	}
	return n
}

func (f *soakBench) close() {
	f.client.Close()
	f.t.end()
}
