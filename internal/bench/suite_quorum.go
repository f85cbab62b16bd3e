package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/bench/quorum"
)

const quorumName = "quorum"

// quorum measures reads that several members must agree on; see package quorum.
func (b *bench) quorum(ctx context.Context) error {
	report, err := quorum.Run(ctx, quorum.Options{Short: b.faulty.Short, Seed: b.seed, Runs: b.reps, Log: b.log})
	b.results.tables = report.WriteTable
	s := section{id: quorumName, title: "reads that f + 1 members agree on"}
	for _, name := range quorum.Peers() {
		s.policies = append(s.policies, policy{label: name})
	}
	b.results.sections = append(b.results.sections, s)
	for _, v := range report.Values {
		p := point{section: s.id, n: v.Members, threads: v.Faults, policy: v.Peer}
		for _, m := range []struct {
			metric
			value float64
		}{
			{metric{name: "p50", unit: seconds}, v.P50.Seconds()},
			{metric{name: "p99", unit: seconds}, v.P99.Seconds()},
			{metric{name: "requests", unit: count}, v.Requests},
			{metric{name: "wrong", unit: count, plain: true}, float64(v.Wrong)},
			{metric{name: "failed", unit: count, plain: true}, float64(v.Failed)},
		} {
			p.metric = m.metric
			b.results.add(p, v.Run, m.value)
		}
	}
	if err == nil && b.faulty.write != "" {
		header := fmt.Sprintf("%s, grpc %s, %s/%s, %d CPUs; medians of %d repetitions.\n",
			runtime.Version(), grpc.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.reps)
		err = errors.Join(err, report.WriteDocs(b.faulty.write, header))
	}
	return err
}
