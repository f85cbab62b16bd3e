package faults

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

func (r *Report) writeFailover(out *strings.Builder, plot string) {
	sayf(out, "Two real replicas share a lock, as those of a Canton node do: exactly one is active. It steps down, is killed, stopped or\n"+
		"cut off, and the other takes over, while this library, grpc-go and HAProxy send calls to them. What this library has to show\n"+
		"comes first, then how it was measured, then all tables.\n\n")
	writePlot(out, plot)
	r.writeChecks(out)
	r.writeMethod(out)
	sayf(out, "- The replicas are processes. This program holds their lock: it is free as soon as the active has given it up, is dead,\n"+
		"  hangs or is cut off, and %s later the other replica has it and serves. **Canton's own takeover takes 15 s to 60 s**, and the\n"+
		"  time without an answer is that plus what the tables call *beyond*.\n", spell(takeoverTime))
	sayf(out, "- A passive replica refuses connections, as at the Ledger API, or answers calls with NODE_IS_PASSIVE_REPLICA and health\n"+
		"  with NOT_SERVING; the title says which. Its GET /health is answered with 500. One that steps down says NOT_SERVING first,\n"+
		"  and is passive %s later. One that hung or was cut off learns that it has lost the lock at once when it is let go on; one that hung\n"+
		"  also finds the calls then that were sent to it before anybody knew, and answers them as the active.\n", spell(stepDownGrace))
	sayf(out, "- While nobody is active, ours asks everybody after 0.1 s at first and every second in the end, so it may find a replica\n"+
		"  that had refused connections up to a second after it serves. One that is connected tells by itself when it serves.\n")
	sayf(out, "- The lists of all peers begin with the replica that is active at first.\n")
	sayf(out, "- *silent*: the longest time without an answer, in seconds, the replicas' takeover included. *beyond*: from when the new\n"+
		"  active served to its first answer, of all takeovers of the runs; `never` if it gave none while it was active. *failed*:\n"+
		"  calls that ended with an error, of those under way at the fault or due later. *switches*: of ours, by its own events.\n"+
		"  *switch*: from when the new active served (in `hand-over`: the old one said\n"+
		"  NOT_SERVING) to the switch, in milliseconds. *at passive*: calls that reached a replica that\n"+
		"  turned them away; where it refuses connections none can. *at second*: calls that reached a replica that took itself for\n"+
		"  the active while another one was, for more than %s. Both are counted by the replicas. Where there are several: the\n"+
		"  median, then the worst.\n", spell(onItsWay))
	r.writeSkipped(out)
	r.writePeers(out)
	r.writePart(out, partFailover, "## Failovers, all peers side by side\n\n")
}

// failoverRows are the table of a scenario with replicas.
func (r *Report) failoverRows(sc *scenario) [][]string {
	rows := [][]string{{
		"peer", "calls", "failed", "silent s", "beyond s", "switches", "switch ms", "at passive", "at second", "p50 ms", "p99 ms", "probes", "client",
	}}
	for _, id := range r.measuredPeers(sc.id) {
		one := func(of func(measured) float64, format string) string {
			return medianAndWorst(withoutNaN(r.values(sc.id, id, of)), format, "")
		}
		switches := "–"
		if p, _ := peerByID(id); p.family == ours {
			switches = one(func(m measured) float64 { return float64(m.followed.switches) }, "%.0f")
		}
		rows = append(rows, []string{
			"`" + id + "`",
			fmt.Sprintf("%.0f", stats.Summarize(r.values(sc.id, id, func(m measured) float64 { return float64(m.calls) })).Median),
			one(ofFailed, "%.0f"),
			one(func(m measured) float64 { return m.followed.silent }, "%.2f"),
			medianAndWorst(r.allOf(sc.id, id, ofBeyond), "%.2f", ""),
			switches,
			medianAndWorst(scaled(r.allOf(sc.id, id, ofSwitched), 1e3), "%.1f", ""),
			one(func(m measured) float64 { return float64(m.followed.passive) }, "%.0f"),
			one(func(m measured) float64 { return float64(m.followed.second) }, "%.0f"),
			one(func(m measured) float64 { return 1e3 * m.p50 }, "%.2f"),
			one(func(m measured) float64 { return 1e3 * m.p99 }, "%.1f"),
			one(func(m measured) float64 { return m.probes }, "%.1f"),
			one(func(m measured) float64 { return 100 * m.clientCPU }, "%.1f"),
		})
	}
	return rows
}
