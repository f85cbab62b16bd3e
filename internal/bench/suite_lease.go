package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/cantonlb/cantonlb/internal/bench/leases"
)

const leaseName = "lease"

// lease measures how long a takeover takes, and how often two processes act, when the
// holder of a lease or its store fails; see package leases.
func (b *bench) lease(ctx context.Context) error {
	report, err := leases.Run(ctx, leases.Options{
		Short: b.faulty.Short, Seed: b.seed, Runs: b.reps, Peers: b.faulty.Peers, Faults: b.faulty.Scenarios, Log: b.log,
	})
	b.results.tables = report.WriteTable
	s := section{id: leaseName, title: fmt.Sprintf("one live instance of two, leases of %v", report.TTL)}
	for _, name := range leases.Peers() {
		s.policies = append(s.policies, policy{label: name})
	}
	b.results.sections = append(b.results.sections, s)
	for _, v := range report.Values {
		for _, m := range []struct {
			metric
			value float64
		}{
			{metric{name: v.Fault + ": takeover", unit: seconds}, v.Takeover.Seconds()},
			{metric{name: v.Fault + ": silence", unit: seconds}, v.Silence.Seconds()},
			{metric{name: v.Fault + ": actions outside the lease", unit: count, plain: true}, float64(v.Outside)},
			{metric{name: v.Fault + ": stale commits", unit: count, plain: true}, float64(v.Stale)},
		} {
			b.results.add(point{section: s.id, n: 2, threads: 1, policy: v.Peer, metric: m.metric}, v.Run, m.value)
		}
	}
	if err == nil && b.faulty.write != "" {
		header := fmt.Sprintf("%s, %s/%s, %d CPUs; leases of %v; %d runs of each, in random order, all candidates at the same time.\n",
			runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), report.TTL, b.reps)
		err = errors.Join(err, report.WriteDocs(b.faulty.write, header))
	}
	return err
}
