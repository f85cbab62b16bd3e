package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cantonlb/cantonlb"
)

// Change is the part of an endpoint's status that says whether it may be picked
// and why. It is comparable.
type Change struct {
	Name, State, Reason, Connection string
	Eligible, Drained, Active       bool
}

// Changes gives that part for every endpoint, so that two snapshots can be
// compared by slices.Equal: a status itself differs at every look, as its counts
// and times do.
func Changes(s cantonlb.Status) []Change {
	changes := make([]Change, 0, len(s.Endpoints))
	for _, e := range s.Endpoints {
		changes = append(changes, Change{
			Name: e.Name, State: string(e.State), Reason: string(e.Reason), Connection: e.Connection.String(),
			Eligible: e.Eligible, Drained: e.Drained, Active: e.Active,
		})
	}
	return changes
}

// Table gives a status as a table, one line for each endpoint, followed by why
// endpoints are not eligible, what the probes ask, and the client's notes. Where
// one endpoint at a time is the active, it is marked. Times are as of now.
func Table(s cantonlb.Status, now time.Time) string {
	var rows strings.Builder
	rows.WriteString("ENDPOINT\tADDRESS\tELIGIBLE\tSTATE\tREASON\tFOR\tCONNECTION\tPROBE\tANSWERED\tCALLS\tFAILED\n")
	for _, e := range s.Endpoints {
		eligible := "no"
		switch {
		case e.Active && e.Eligible:
			eligible = "active"
		case e.Eligible:
			eligible = "yes"
		case e.Drained:
			eligible = "drained"
		}
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%s\t%s\t%v\t%s\t%s\t%d\t%d\n",
			e.Name, e.Address, eligible, e.State, cmp.Or(string(e.Reason), "-"), ago(e.Since, now), e.Connection,
			cmp.Or(string(e.Probe.Kind), "-"), ago(e.Probe.Answered, now), e.Calls.Picked, e.Calls.Failed)
	}

	var out strings.Builder
	fmt.Fprintf(&out, "%d of %d endpoints eligible, channel %v\n", s.Eligible(), len(s.Endpoints), s.State)
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = columns.Write([]byte(rows.String())) // a Builder takes everything
	_ = columns.Flush()
	for _, e := range s.Endpoints {
		if why := cmp.Or(e.ConnectionError, e.Detail); why != "" && !e.Eligible {
			fmt.Fprintf(&out, "%s: %s\n", e.Name, why)
		}
	}
	for _, target := range targets(s) {
		fmt.Fprintf(&out, "asked: %s\n", target)
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	return out.String()
}

// targets gives what the probes ask, each once: for all endpoints it is the
// same, unless their health has an address of its own.
func targets(s cantonlb.Status) []string {
	var list []string
	for _, e := range s.Endpoints {
		if e.Probe.On && !slices.Contains(list, e.Probe.Target) {
			list = append(list, e.Probe.Target)
		}
	}
	return list
}

// ago says how long ago something was, in tenths of a second.
func ago(then, now time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return max(0, now.Sub(then)).Round(100 * time.Millisecond).String()
}
