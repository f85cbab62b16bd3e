package faults

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

func (r *Report) writeSlow(out *strings.Builder, plot string) {
	sayf(out, "Real server processes answer calls of this library, grpc-go's own policies and two proxies. At times one of them is slow,\n"+
		"or fails at once, or all are slow. The scenarios are Linkerd's published experiment and those of Finagle's simulation of load\n"+
		"balancers. The claims come first, then the method, then all tables.\n\n")
	writePlot(out, plot)
	r.writeChecks(out)
	r.writeMethod(out)
	sayf(out, "- Every server reports its load with each answer (ORCA), as `weighted_round_robin` needs: the calls that it answers a second,\n"+
		"  and the calls under way, of which %d are full use.\n", capacity)
	sayf(out, "- *success*: calls that were answered within their deadline of %s, in per cent; for several runs the median, then the least.\n"+
		"  *extra*: how many more calls arrived at the servers than were due, in per cent: retries and hedges. *at it*: the share of the\n"+
		"  calls that went to the slow server, from 2 s after it became slow. *back*: seconds from its recovery to when the first call\n"+
		"  that it answered was due. *client*, *proxy*: per cent of one processor. For several runs: the median, then the worst.\n",
		spell(slowDeadline))
	r.writeSkipped(out)
	r.writePeers(out)
	r.writePart(out, partSlow, "## Slow servers, all peers side by side\n\n")
}

// slowRows are the table of a scenario of the suite Slow.
func (r *Report) slowRows(sc *scenario) [][]string {
	head := []string{peerColumn, "calls", "success %", "p50 ms", "p99 ms", "p99.9 ms", "extra %", "back s", "client", "proxy"}
	if sc.answers {
		head = append(head, "at it %")
	}
	rows := [][]string{head}
	for _, id := range r.measuredPeers(sc.id) {
		one := func(of func(measured) float64, by float64, format string) string {
			return medianAndWorst(scaled(withoutNaN(r.values(sc.id, id, of)), by), format, "")
		}
		success := stats.Summarize(scaled(r.values(sc.id, id, ofSuccess), 100))
		text := fmt.Sprintf("%.3f", success.Median)
		if len(r.of(sc.id)) > 1 {
			text += fmt.Sprintf(" (%.3f)", success.Min)
		}
		proxy := "–"
		if p, _ := peerByID(id); p.proxy != "" {
			proxy = one(func(m measured) float64 { return m.proxyCPU }, 100, "%.1f")
		}
		row := []string{
			"`" + id + "`",
			fmt.Sprintf("%.0f", stats.Summarize(r.values(sc.id, id, func(m measured) float64 { return float64(m.calls) })).Median), text,
			one(ofP50, 1e3, "%.2f"), one(ofP99, 1e3, "%.1f"), one(ofP999, 1e3, "%.1f"), one(ofExtra, 100, "%.2f"), one(ofBack, 1, "%.2f"),
			one(func(m measured) float64 { return m.clientCPU }, 100, "%.1f"), proxy,
		}
		if sc.answers {
			row = append(row, one(ofShare, 100, "%.2f"))
		}
		rows = append(rows, row)
	}
	return rows
}
