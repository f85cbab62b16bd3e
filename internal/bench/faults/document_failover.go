package faults

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

func (r *Report) writeFailover(out *strings.Builder, plot string) {
	sayf(out, "Two real replicas share a lock, as those of a Canton node do: exactly one is active. It steps down, is killed, stopped or\n"+
		"cut off, and the other takes over, while this library, grpc-go and HAProxy send calls to them. The claims come first, then\n"+
		"the method, then all tables.\n\n")
	writePlot(out, plot)
	r.writeChecks(out)
	r.writeMethod(out)
	sayf(out, "- The replicas are processes. This program holds their lock: it is free as soon as the active replica has released it, is\n"+
		"  dead, hangs or is cut off, and %s later the other replica has it and serves. **Canton's own takeover takes 15 s to 60 s**, and the\n"+
		"  time without an answer is that plus the column *beyond*.\n", spell(takeoverTime))
	sayf(out, "- A passive replica refuses connections, as at the Ledger API, or answers calls with NODE_IS_PASSIVE_REPLICA and health\n"+
		"  with NOT_SERVING, as the title states. It answers GET /health with 500. A replica that steps down reports NOT_SERVING first,\n"+
		"  and is passive %s later. One that hung or was cut off learns that it has lost the lock as soon as it continues; one that hung\n"+
		"  then also reads the calls that were sent to it before the hang was detected, and answers them as the active replica.\n",
		spell(stepDownGrace))
	sayf(out, "- While there is no active endpoint, this library probes all endpoints with pauses that grow from 0.1 s to 1 s, so it may\n"+
		"  find a replica that refused connections up to 1 s after it serves. A connected replica pushes its change of health.\n")
	sayf(out, "- The lists of all peers begin with the replica that is active first.\n")
	sayf(out, "- *silent*: the longest time without an answer, in seconds, the replicas' takeover included. *beyond*: from when the new\n"+
		"  active replica served to its first answer, of all takeovers of the runs; `never` if it answered none while it was active.\n"+
		"  *failed*: calls in flight at the fault or due later that ended with an error. *switches*: those of this library, by its own\n"+
		"  events. *switch*: from when the new active replica served (in `hand-over`: the old one reported NOT_SERVING) to the\n"+
		"  switch, in milliseconds. *at passive*: calls that reached a replica that rejected them; where it refuses connections\n"+
		"  there are none. *at second*: calls that reached a replica which still took itself for active, more than %s after another one\n"+
		"  was. The replicas count both. For several values: the median, then the worst.\n", spell(onItsWay))
	r.writeSkipped(out)
	r.writePeers(out)
	r.writePart(out, partFailover, "## Failovers, all peers side by side\n\n")
}

// failoverRows are the table of a scenario with replicas.
func (r *Report) failoverRows(sc *scenario) [][]string {
	rows := [][]string{{
		peerColumn, "calls", "failed", "silent s", "beyond s", "switches", "switch ms", "at passive", "at second",
		"p50 ms", "p99 ms", "probes", "client",
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
