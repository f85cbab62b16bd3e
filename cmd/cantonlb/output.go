package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// outputs are the formats of a status.
var outputs = map[string]func(io.Writer, report.Document) error{
	"table": func(out io.Writer, d report.Document) error { return printText(out, d, view.Brief) },
	"wide":  func(out io.Writer, d report.Document) error { return printText(out, d, view.Text) },
	"json": func(out io.Writer, d report.Document) error {
		d.Events, d.LeaseEvents, d.ShardEvents = nil, nil, nil
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(d)
	},
}

// printText prints a document without its events. The page of a program that has leases or
// shards and no client has no status.
func printText(out io.Writer, d report.Document, text func(report.Status, time.Time, view.Painter) string) error {
	for _, r := range d.Routers {
		if _, err := fmt.Fprint(out, view.Router(r, time.Now(), paintShard)); err != nil {
			return err
		}
	}
	if d.Status.Policy != "" || len(d.Leases)+len(d.Routers) == 0 {
		if _, err := fmt.Fprint(out, text(d.Status, time.Now(), painter)); err != nil {
			return err
		}
	}
	if len(d.Leases) == 0 {
		return nil
	}
	_, err := fmt.Fprint(out, view.Leases(d.Leases, time.Now()))
	return err
}

// addOutput adds the flag that selects a format.
func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "`format`: table, wide (all columns) or json")
	complete(cmd, "output", cobra.FixedCompletions([]string{"table", "wide", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// probeCodes is the value of --exit-codes for those of grpc-health-probe, and exitCodes
// are all values, the default first.
const probeCodes = "probe"

var exitCodes = []string{"count", probeCodes}

// The exit codes of grpc-health-probe other than 0.
const (
	probeUsage = 1 + iota
	probeNoConnection
	probeFailed
	probeNotServing
)

// probeCode returns the exit code of grpc-health-probe for a status that has the exit
// code of check: that of the first endpoint that is not eligible.
func probeCode(s cantonlb.Status, code verdict) verdict {
	i := slices.IndexFunc(s.Endpoints, func(e cantonlb.EndpointStatus) bool { return !e.Eligible })
	switch {
	case code == codeAll:
		return codeAll
	case i < 0: // --strict: a probe ends with UNIMPLEMENTED
		return probeFailed
	}
	switch e := s.Endpoints[i]; {
	case e.State == cantonlb.StateUnreachable, e.State == cantonlb.StateConnecting:
		return probeNoConnection
	case e.Probe.Outcome == report.NotServing && e.Probe.Reason != report.ReasonUnknownService: // else NOT_FOUND
		return probeNotServing
	default:
		return probeFailed
	}
}

// wantsProbeCodes reports whether arguments that could not be used ask for the exit
// codes of grpc-health-probe.
func wantsProbeCodes(args []string) bool {
	return strings.Contains(strings.Join(args, "="), "--exit-codes="+probeCodes)
}
