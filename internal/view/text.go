package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

// Painter returns the colour of an endpoint's state; nil leaves the text uncoloured.
type Painter func(report.EndpointStatus) Paint

// Text returns a status as a table, one line for each endpoint, followed by the
// targets of the probes and the client's notes. Ages are relative to now. The text
// is plain if painter is nil.
func Text(s report.Status, now time.Time, painter Painter) string { return text(s, now, painter, wide) }

// Brief is Text without the columns about calls and single probes.
func Brief(s report.Status, now time.Time, painter Painter) string {
	return text(s, now, painter, brief)
}

func text(s report.Status, now time.Time, painter Painter, columns []column) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s, channel %v\n", Eligible(s), cmp.Or(s.Policy, "no policy"), s.State)
	if line := Active(s, now); line != "" {
		out.WriteString(line + "\n")
	}
	if since := s.NoneEligibleSince; !since.IsZero() {
		fmt.Fprintf(&out, "NO ENDPOINT IS ELIGIBLE for %s\n", Ago(since, now))
	}
	if line := Handover(s, now); line != "" {
		out.WriteString(line + "\n")
	}
	writeRows(&out, slices.Concat(s.Endpoints, s.Leaving), now, painter, columns)
	for _, target := range targets(s) {
		fmt.Fprintf(&out, "asked: %s\n", target)
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	return out.String()
}

// Active returns which endpoint is active, and since when. It returns "" unless the
// policy is active_passive.
func Active(s report.Status, now time.Time) string {
	f := s.Failover
	if f == nil {
		return ""
	}
	text := fmt.Sprintf("active: %s for %s", f.Active, Ago(f.Since, now))
	switch {
	case f.Active != "":
	case f.Since.IsZero():
		text = "no endpoint is active yet"
	default:
		text = "no endpoint has been active for " + Ago(f.Since, now)
		if f.Lost != "" {
			text += " (" + string(f.Lost) + ")"
		}
		if f.Last != "" {
			text += "; the last was " + f.Last
		}
	}
	if f.Pinned != "" {
		text += "; pinned to " + f.Pinned
	}
	return fmt.Sprintf("%s; switches: %d", text, f.Switches)
}

// Eligible returns how many endpoints are eligible, in words.
func Eligible(s report.Status) string {
	noun := "endpoints"
	if len(s.Endpoints) == 1 {
		noun = "endpoint"
	}
	return fmt.Sprintf("%d of %d %s eligible", s.Eligible(), len(s.Endpoints), noun)
}

// eligible returns whether an endpoint may be picked, and whether it is the active one
// or has left the list.
func eligible(e report.EndpointStatus) string {
	switch {
	case !e.LeavingSince.IsZero() && e.Eligible:
		return "leaving"
	case e.Active && e.Eligible:
		return "active"
	case e.Eligible:
		return "yes"
	default:
		return "no"
	}
}

// column is one column of the table.
type column struct {
	head string
	text func(report.EndpointStatus, time.Time) string
}

// The columns of the table.
var (
	wide = []column{
		{"ENDPOINT", func(e report.EndpointStatus, _ time.Time) string { return e.Name }},
		{"ADDRESS", func(e report.EndpointStatus, _ time.Time) string { return e.Address }},
		{"ELIGIBLE", func(e report.EndpointStatus, _ time.Time) string { return eligible(e) }},
		{stateHead, func(e report.EndpointStatus, _ time.Time) string { return string(e.State) }},
		{"FOR", func(e report.EndpointStatus, now time.Time) string { return Ago(e.Since, now) }},
		{"PROBE", func(e report.EndpointStatus, _ time.Time) string { return cmp.Or(string(e.Probe.Kind), Unknown) }},
		{"ANSWERED", func(e report.EndpointStatus, now time.Time) string { return Ago(e.Probe.Answered, now) }},
		{"TOOK", func(e report.EndpointStatus, _ time.Time) string { return RoundTrip(e.Probe.RoundTrip) }},
		{"CONNECTION", func(e report.EndpointStatus, _ time.Time) string { return e.Connection.String() }},
		{"CALLS", func(e report.EndpointStatus, _ time.Time) string { return strconv.FormatUint(e.Calls.Picked, 10) }},
		{"FAILED", func(e report.EndpointStatus, _ time.Time) string { return strconv.FormatUint(e.Calls.Failed, 10) }},
		{"WHY", Why},
	}
	brief = slices.DeleteFunc(slices.Clone(wide), func(c column) bool {
		return slices.Contains([]string{"ANSWERED", "CONNECTION", "CALLS", "FAILED"}, c.head)
	})
)

const stateHead = "STATE"

// writeRows writes the table alone, with a line of column names.
func writeRows(out *strings.Builder, endpoints []report.EndpointStatus, now time.Time, painter Painter, columns []column) {
	rows := make([][]cell, 1, len(endpoints)+1)
	for _, c := range columns {
		rows[0] = append(rows[0], cell{text: c.head})
	}
	for _, e := range endpoints {
		row := make([]cell, 0, len(columns))
		for _, c := range columns {
			cell := cell{text: c.text(e, now)}
			if painter != nil && c.head == stateHead {
				cell.paint = painter(e)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	align(out, rows)
}

// Handover returns since when endpoints that have left the list still serve, and how
// many, or "" if none does. A note of the status says why.
func Handover(s report.Status, now time.Time) string {
	h := s.Handover
	if h == nil {
		return ""
	}
	return fmt.Sprintf("handover for %s (%s): %d that left the list still serve", Ago(h.Since, now), h.Reason, len(s.Leaving))
}

// Why returns the reason of an endpoint's state, with its detail for people, in one
// line: of one that is connecting or unknown, how far the attempt to connect has come.
// It may contain printable text from a server.
func Why(e report.EndpointStatus, now time.Time) string {
	if !e.LeavingSince.IsZero() {
		e.LeavingSince = time.Time{}
		return "leaving the list; " + Why(e, now)
	}
	attempted := e.State == report.StateConnecting || e.State == report.StateUnknown
	if phase := Phase(e, now); phase != "" && attempted {
		return phase
	}
	detail := e.Detail
	if e.Connection != connectivity.Ready {
		detail = cmp.Or(detail, e.ConnectionError)
	}
	switch {
	case detail == "":
		return cmp.Or(string(e.Reason), Unknown)
	case e.Reason == "":
		return detail
	default:
		return string(e.Reason) + ": " + detail
	}
}

// Phase returns how far the present attempt to connect has come, and since when, or ""
// if none is under way.
func Phase(e report.EndpointStatus, now time.Time) string {
	if e.Phase == "" {
		return ""
	}
	return e.Phase.Waits() + " for " + Ago(e.PhaseSince, now)
}

// targets returns the distinct targets of the probes. It is the same for all
// endpoints, unless their health has an address of its own. A long list is cut.
func targets(s report.Status) []string {
	const most = 8
	var list []string
	for _, e := range s.Endpoints {
		if len(list) == most {
			return append(list, "and more")
		}
		if e.Probe.On && !slices.Contains(list, e.Probe.Target) {
			list = append(list, e.Probe.Target)
		}
	}
	return list
}
