package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/internal/bench/faults"
)

const faultsName = "faults"

// faultOptions are those of the suite faults.
type faultOptions struct {
	faults.Options

	write string // folder for its document; empty is none
}

// faultFlags adds the flags of the suite faults. What it returns takes them in,
// once they are parsed; given says which are there.
func faultFlags(flags *flag.FlagSet) func(o *options, given map[string]bool) error {
	scenarios := flags.String("fault", "", "of the suite faults: only these, by name, with commas between")
	peers := flags.String("peer", "", "of the suite faults: only these peers, by name, with commas between")
	write := flags.String("write", "", "of the suite faults: write faults.md and faults.svg into this folder")
	return func(o *options, given map[string]bool) error {
		o.faulty = faultOptions{Options: faults.Options{
			Short: o.short, Seed: o.seed, Scenarios: list(*scenarios), Peers: list(*peers),
		}, write: *write}
		if given["reps"] {
			o.faulty.Runs = o.reps
		}
		for _, name := range []string{"fault", "peer", "write"} {
			if given[name] && !slices.ContainsFunc(o.suites, func(s suite) bool { return s.name == faultsName }) {
				return fmt.Errorf("-%s: only the suite %s has it; want that suite, too", name, faultsName)
			}
		}
		return o.faulty.Validate()
	}
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// faults breaks real servers under the load of ours and of its peers; see
// package faults.
func (b *bench) faults(ctx context.Context) error {
	o := b.faulty.Options
	o.Log = b.log
	report, err := faults.Run(ctx, o)
	if report == nil {
		return err
	}
	b.results.tables, b.results.skipped = report.WriteTables, report.Skipped()
	for _, sc := range report.Scenarios() {
		s := section{id: sc.ID, title: sc.Title}
		for _, id := range sc.Peers {
			s.policies = append(s.policies, policy{label: id})
		}
		b.results.sections = append(b.results.sections, s)
	}
	for _, v := range report.Values() {
		b.results.add(point{
			section: v.Scenario, n: v.Servers, policy: v.Peer, metric: metric{name: v.Metric, unit: unit(v.Unit), plain: true},
		}, v.Run, v.Value)
	}
	if b.faulty.write != "" && ctx.Err() == nil {
		err = errors.Join(err, report.WriteDocs(b.faulty.write))
	}
	return err
}
