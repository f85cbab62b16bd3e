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

const (
	faultsName   = string(faults.Faults)
	failoverName = string(faults.Failover)
	slowName     = string(faults.Slow)
)

// faultOptions holds the options of the suites faults, failover and slow.
type faultOptions struct {
	faults.Options

	write string // folder for their documents; empty means none
}

// faultFlags adds the flags of these suites. The returned function reads them, once
// they are parsed; given says which are set.
func faultFlags(flags *flag.FlagSet) func(o *options, given map[string]bool) error {
	scenarios := flags.String("fault", "", "of the suites faults, failover, slow and lease: only these scenarios, by name, with commas between")
	peers := flags.String("peer", "", "of the suites faults, failover, slow and lease: only these peers, by name, with commas between")
	write := flags.String("write", "",
		"of the suites faults, failover and slow: write a document and its plot, such as faults.md and faults.svg, into this folder")
	return func(o *options, given map[string]bool) error {
		o.faulty = faultOptions{Options: faults.Options{
			Short: o.short, Seed: o.seed, Scenarios: list(*scenarios), Peers: list(*peers),
		}, write: *write}
		if given["reps"] {
			o.faulty.Runs = o.reps
		}
		var asked []faults.Suite
		for _, s := range []faults.Suite{faults.Faults, faults.Failover, faults.Slow} {
			if slices.ContainsFunc(o.suites, func(other suite) bool { return other.name == string(s) }) {
				asked = append(asked, s)
			}
		}
		for _, name := range []string{"fault", "peer", "write"} {
			if slices.ContainsFunc(o.suites, func(s suite) bool {
				return s.name == leaseName || name == "write" && slices.Contains([]string{quorumName, httpName, namesName}, s.name)
			}) {
				continue
			}
			if given[name] && len(asked) == 0 {
				return fmt.Errorf("-%s: only the suites %s, %s and %s have it; want one of them, too", name, faultsName, failoverName, slowName)
			}
		}
		for _, s := range asked {
			if err := o.faulty.of(s).Validate(); err != nil {
				return err
			}
		}
		return nil
	}
}

// isHarm reports whether a suite has these options.
func isHarm(suite string) bool {
	return suite == faultsName || suite == failoverName || suite == slowName
}

// of returns the options of one of the suites.
func (o faultOptions) of(s faults.Suite) faults.Options {
	out := o.Options
	out.Suite = s
	return out
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// faults breaks real servers under the load of this library and its peers; see
// package faults.
func (b *bench) faults(ctx context.Context) error { return b.harm(ctx, faults.Faults) }

// failover makes real replicas take over from each other under the same load.
func (b *bench) failover(ctx context.Context) error { return b.harm(ctx, faults.Failover) }

// slow slows real servers down under the same load.
func (b *bench) slow(ctx context.Context) error { return b.harm(ctx, faults.Slow) }

func (b *bench) harm(ctx context.Context, s faults.Suite) error {
	o := b.faulty.of(s)
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
