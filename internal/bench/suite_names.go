package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/bench/hostnames"
)

const namesName = "names"

// names measures names whose addresses or name servers fail; see package hostnames.
func (b *bench) names(ctx context.Context) error {
	report, err := hostnames.Run(ctx, hostnames.Options{Short: b.faulty.Short, Runs: b.reps, Log: b.log})
	b.results.tables = report.WriteTable
	for i, c := range hostnames.Cases() {
		s := section{id: fmt.Sprintf("%s-%d", namesName, i+1), title: c}
		for _, name := range hostnames.Peers() {
			s.policies = append(s.policies, policy{label: name})
		}
		b.results.sections = append(b.results.sections, s)
		for _, v := range report.Values {
			if v.Case != c {
				continue
			}
			b.results.addAll(point{section: s.id, n: 1, policy: v.Peer}, v.Run, []value{
				{metric{name: "until healthy", unit: seconds}, v.Healthy.Seconds()},
				{metric{name: "failed", unit: count, plain: true}, float64(v.Failed)},
				{metric{name: "connections", unit: count, plain: true}, float64(v.Made)},
			})
		}
	}
	if err == nil && b.faulty.write != "" {
		header := fmt.Sprintf("%s, grpc %s, %s/%s, %d CPUs; median and worst of %d repetitions.\n",
			runtime.Version(), grpc.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.reps)
		err = errors.Join(err, report.WriteDocs(b.faulty.write, header))
	}
	return err
}
