package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb"
)

// Painter gives the colour of what is in a state; nil leaves it as it is.
type Painter func(cantonlb.State) Paint

// Text gives a status as a table, one line for each endpoint, followed by what
// the probes ask and the client's notes. Times are as of now. It is plain if
// painter is nil.
func Text(s cantonlb.Status, now time.Time, painter Painter) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s, channel %v\n", Eligible(s), cmp.Or(s.Policy, "no policy"), s.State)
	if since := s.NoneEligibleSince; !since.IsZero() {
		fmt.Fprintf(&out, "NO ENDPOINT IS ELIGIBLE for %s\n", Ago(since, now))
	}
	Rows(&out, s.Endpoints, now, painter)
	for _, target := range targets(s) {
		fmt.Fprintf(&out, "asked: %s\n", target)
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	return out.String()
}

// Eligible says how many endpoints are eligible.
func Eligible(s cantonlb.Status) string {
	noun := "endpoints"
	if len(s.Endpoints) == 1 {
		noun = "endpoint"
	}
	return fmt.Sprintf("%d of %d %s eligible", s.Eligible(), len(s.Endpoints), noun)
}

// Rows writes the table alone, with a line of column names.
func Rows(out *strings.Builder, endpoints []cantonlb.EndpointStatus, now time.Time, painter Painter) {
	rows := make([][]cell, 0, len(endpoints)+1)
	rows = append(rows, plain("ENDPOINT", "ADDRESS", "STATE", "FOR", "PROBE", "ANSWERED", "TOOK", "CONNECTION", "CALLS", "FAILED", "WHY"))
	for _, e := range endpoints {
		row := plain(e.Name, e.Address, string(e.State), Ago(e.Since, now), cmp.Or(string(e.Probe.Kind), Unknown),
			Ago(e.Probe.Answered, now), RoundTrip(e.Probe.RoundTrip), e.Connection.String(),
			strconv.FormatUint(e.Calls.Picked, 10), strconv.FormatUint(e.Calls.Failed, 10), Why(e))
		if painter != nil {
			row[2].paint = painter(e.State)
		}
		rows = append(rows, row)
	}
	align(out, rows)
}

// Why gives the reason of an endpoint's state, with its detail for people, in one
// line. It may hold words of a server, printable ones.
func Why(e cantonlb.EndpointStatus) string {
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

// targets gives what the probes ask, each once: for all endpoints it is the same,
// unless their health has an address of its own. A long list is cut.
func targets(s cantonlb.Status) []string {
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
