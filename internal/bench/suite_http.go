package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/bench/jsonapi"
)

const httpName = "http"

// http measures clients of HTTP servers that fail; see package jsonapi.
func (b *bench) http(ctx context.Context) error {
	report, err := jsonapi.Run(ctx, jsonapi.Options{Short: b.faulty.Short, Runs: b.reps, Log: b.log})
	if report == nil {
		return err
	}
	b.results.tables = report.WriteTable
	s := section{id: httpName, title: "HTTP servers that fail"}
	for _, name := range jsonapi.Peers() {
		s.policies = append(s.policies, policy{label: name})
	}
	for i, fault := range jsonapi.Faults() {
		s.id = httpName + "-" + fault
		b.results.sections = append(b.results.sections, s)
		for _, v := range report.Values {
			if v.Fault != fault {
				continue
			}
			p := point{section: s.id, n: i, policy: v.Peer}
			for _, m := range []struct {
				metric
				value float64
			}{
				{metric{name: "p50", unit: seconds}, v.P50.Seconds()},
				{metric{name: "p99", unit: seconds}, v.P99.Seconds()},
				{metric{name: "last error", unit: seconds}, v.LastError.Seconds()},
				{metric{name: "failed", unit: count, plain: true}, float64(v.Failed)},
			} {
				p.metric = m.metric
				b.results.add(p, v.Run, m.value)
			}
		}
	}
	if err == nil && b.faulty.write != "" {
		header := fmt.Sprintf("%s, grpc %s, %s/%s, %d CPUs; medians of %d repetitions.\n",
			runtime.Version(), grpc.Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.reps)
		err = errors.Join(err, report.WriteDocs(b.faulty.write, header))
	}
	return err
}
