package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/cantonlb/cantonlb/internal/bench/leases"
)

const leaseName = "lease"

// lease measures how long no process acts, and how often two do, when the holder of a
// lease or its store fails; see package leases.
func (b *bench) lease(ctx context.Context) error {
	report, err := leases.Run(ctx, leases.Options{Short: b.faulty.Short, Seed: b.seed, Runs: b.reps, Log: b.log})
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
			{metric{name: v.Fault + ": silence", unit: seconds}, v.Silence.Seconds()},
			{metric{name: v.Fault + ": overlapping actions", unit: count, plain: true}, float64(v.Overlap)},
		} {
			b.results.add(point{section: s.id, n: 2, threads: 1, policy: v.Peer, metric: m.metric}, v.Run, m.value)
		}
	}
	if err == nil && b.faulty.write != "" {
		header := fmt.Sprintf("%s, %s/%s, %d CPUs; leases of %v; %d runs of each, in random order.\n",
			runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), report.TTL, b.reps)
		err = errors.Join(err, report.WriteDocs(b.faulty.write, header))
	}
	return err
}
