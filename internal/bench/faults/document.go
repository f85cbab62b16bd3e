package faults

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// peerColumn heads the column of peers in each table.
const peerColumn = "peer"

// WriteDocs writes the suite's document, such as faults.md, its plot, faults.svg,
// and of the suite faults a small plot, faults-brief.svg, into a folder.
func (r *Report) WriteDocs(folder string) error {
	documentFile, plotFile := r.options.Suite.name()+".md", r.options.Suite.name()+".svg"
	if len(r.runs) == 0 {
		return fmt.Errorf("write %s: nothing was measured", filepath.Join(folder, documentFile))
	}
	if err := os.WriteFile(filepath.Join(folder, plotFile), []byte(r.plot()), 0o644); err != nil { //nolint:gosec // for all to read
		return err
	}
	if brief := r.brief(); brief != "" {
		file := filepath.Join(folder, r.options.Suite.name()+"-brief.svg")
		if err := os.WriteFile(file, []byte(brief), 0o644); err != nil { //nolint:gosec // for all to read
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, documentFile), []byte(r.text(plotFile)), 0o644) //nolint:gosec // for all to read
}

// text is the report in Markdown, which is readable as it is. plot is the file
// of the plot; empty leaves it out.
func (r *Report) text(plot string) string {
	var out strings.Builder
	name := r.options.Suite.name()
	sayf(&out, "# %s%s\n\n", strings.ToUpper(name[:1]), name[1:])
	if plot != "" {
		sayf(&out, "<!-- Written by `go run ./internal/bench %s -write docs`. Do not edit. -->\n\n", name)
	}
	switch r.options.Suite {
	case Failover:
		r.writeFailover(&out, plot)
	case Slow:
		r.writeSlow(&out, plot)
	default:
		r.writeFaults(&out, plot)
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func (r *Report) writeFaults(out *strings.Builder, plot string) {
	sayf(out, "Three real server processes receive calls from this library, grpc-go's own policies and two proxies, while one of the\n"+
		"servers is stopped, killed, slowed or cut off. The claims come first, then the method, then all tables.\n\n")
	writePlot(out, plot)
	r.writeChecks(out)
	r.writeMethod(out)
	sayf(out, "- *failed*: calls in flight at the fault or due later that ended with an error. *last*: seconds from the fault to when the\n"+
		"  last failing call was due. *back*: seconds from the recovery of the server (its port listened, the process continued,\n"+
		"  packets passed) to when the first call that it answered was due; 0.0 also where calls never left it; `never` within the\n"+
		"  run. *at it*: the share of the calls that went to the faulty server, from 2 s after the fault until its recovery. *probes*:\n"+
		"  health requests a second at all servers together. *client*, *proxy*: per cent of one processor. For several runs: the\n"+
		"  median, then the worst.\n")
	r.writeSkipped(out)
	r.writePeers(out)
	r.writePart(out, partFaults, "## Faults, all peers side by side\n\n")
	r.writePart(out, partAcceptance, "## A server that hangs, 900 calls a second\n\n")
	r.writePart(out, partLatency, "## The cost without a fault\n\n")
}

func writePlot(out *strings.Builder, plot string) {
	if plot != "" {
		sayf(out, "![Failed calls over time, one panel for each fault, one line for each peer](%s)\n\n", plot)
	}
}

func (r *Report) writeChecks(out *strings.Builder) {
	rows := [][]string{{"claim", "shown: median (worst)", "holds"}}
	for _, c := range r.checks() {
		holds := "yes"
		if !c.holds {
			holds = "**no**"
		}
		if c.single {
			holds += ", in one run"
		}
		rows = append(rows, []string{c.claim, c.shown, holds})
	}
	if len(rows) > 1 {
		sayf(out, "## Claims\n\n%s\n", table(rows))
	}
}

func (r *Report) writeMethod(out *strings.Builder) {
	length := "the full suite"
	if r.options.Short {
		length = "`-short`: a subset, once each"
	}
	sayf(out, "## Method\n\n")
	sayf(out, "- By `go run ./internal/bench %s`, %s, %d runs in %v, `-seed %d`. The seed\n"+
		"  determines the order of the runs and, where each server can answer, the faulty server. Every run starts new processes.\n"+
		"  Some faults are run several times and some once, as stated for each.\n",
		r.options.Suite.name(), length, len(r.runs), r.took.Round(time.Second), r.options.Seed)
	sayf(out, "- On %s, %s.\n", r.machine, strings.Join(r.versions, ", "))
	sayf(out, "- **All peers of a run run at the same time against the same servers**, so each meets the same fault at the same instant,\n"+
		"  and other load of the machine affects all alike. Each peer has its own client process and its own proxy.\n")
	sayf(out, "- The load is open loop: calls are due at a fixed rate, independent of earlier calls, with the peers evenly interleaved. The\n"+
		"  latency of a call counts from when it was due to its end, with success or without. The load has run for %s when the measurement\n"+
		"  begins, %s before the fault.\n", spell(r.runs[0].plan.warmUp), spell(r.runs[0].plan.lead))
	busy, own := r.load()
	sayf(out, "- The machine was %s busy (median of the runs, then the worst), %s by these processes themselves.\n", busy, own)
}

func (r *Report) writeSkipped(out *strings.Builder) {
	for _, what := range r.skipped {
		sayf(out, "- Skipped: %s.\n", what)
	}
	sayf(out, "\n")
}

// load returns how busy the machine was, and how much of it was by the runs' own
// processes.
func (r *Report) load() (busy, own string) {
	var b, o []float64
	for _, one := range r.runs {
		if !math.IsNaN(one.busy) {
			b = append(b, one.busy)
		}
		o = append(o, one.ours)
	}
	return medianAndWorst(percents(b), "%.0f", " %"), medianAndWorst(percents(o), "%.0f", " %")
}

func (r *Report) writePeers(out *strings.Builder) {
	rows := [][]string{{peerColumn, "what it is", "calls may be reissued"}}
	for _, p := range r.options.Suite.peers() {
		if !slices.ContainsFunc(r.runs, func(one *run) bool { _, ok := one.peers[p.id]; return ok }) {
			continue
		}
		again := "no"
		if p.idempotent {
			again = "yes"
		}
		rows = append(rows, []string{"`" + p.id + "`", string(p.family) + ": " + p.label, again})
	}
	sayf(out, "## The peers\n\n"+
		"Each kind of peer runs with its defaults and with the best tuning that we know. The configurations of the proxies are in\n"+
		"`internal/bench/faults/proxies`, the others in `peers*.go` beside it. Calls to a proxy come from a plain grpc-go channel.\n\n%s\n",
		table(rows))
}

func (r *Report) writePart(out *strings.Builder, p part, title string) {
	for _, sc := range r.options.Suite.scenarios() {
		runs := r.of(sc.id)
		if sc.part != p || len(runs) == 0 {
			continue
		}
		sayf(out, "%s", title)
		title = ""
		sayf(out, "### `%s`: %s\n\n%s\n\n%s\n", sc.id, sc.title, r.conditions(sc, runs), table(r.rowsOf(sc)))
		if p == partLatency {
			r.writeRatios(out, sc.id)
		}
	}
}

// conditions says how a scenario was run.
func (r *Report) conditions(sc *scenario, runs []*run) string {
	times := "one run only"
	if len(runs) > 1 {
		times = fmt.Sprintf("%d runs, median (worst)", len(runs))
	}
	lasts := "lasts " + spell(runs[0].plan.hold)
	if after := runs[0].plan.after; after > 0 {
		lasts += ", observed for " + spell(after) + " more"
	}
	deadline := "deadline " + spell(sc.deadline)
	if sc.onceDeadline > 0 && sc.onceDeadline != sc.deadline {
		deadline += ", of calls that are not idempotent " + spell(sc.onceDeadline)
	}
	if sc.standby != "" {
		lasts += fmt.Sprintf("; %d replicas, whose takeover takes %s", sc.servers, spell(sc.takeover))
	}
	return fmt.Sprintf("%s; %s; %d calls/s of each peer, %s in the server, %s.", times, lasts, sc.rate, spell(sc.service), deadline)
}

// spell writes a duration in seconds, or in milliseconds if it is short.
func spell(d time.Duration) string {
	if d > 0 && d < 100*time.Millisecond {
		return number(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return number(d.Seconds()) + " s"
}

// rowsOf are the table of a scenario.
func (r *Report) rowsOf(sc *scenario) [][]string {
	switch {
	case sc.standby != "":
		return r.failoverRows(sc)
	case sc.part == partSlow:
		return r.slowRows(sc)
	default:
		return r.rows(sc)
	}
}

// rows are the table of a scenario in which each server can answer.
func (r *Report) rows(sc *scenario) [][]string {
	head := []string{peerColumn, "calls", "failed", "last s", "back s", "p50 ms", "p99 ms", "p99.9 ms", "probes", "client", "proxy"}
	if sc.answers {
		head = append(head, "at it %")
	}
	rows := [][]string{head}
	for _, id := range r.measuredPeers(sc.id) {
		v := func(of func(measured) float64, scale float64, format string) string {
			scaled := withoutNaN(r.values(sc.id, id, of))
			for i := range scaled {
				scaled[i] *= scale
			}
			return medianAndWorst(scaled, format, "")
		}
		last := "–"
		if stats.Summarize(r.values(sc.id, id, ofFailed)).Max > 0 {
			last = v(ofLastFailed, 1, "%.2f")
		}
		proxy := "–"
		if p, _ := peerByID(id); p.proxy != "" {
			proxy = v(func(m measured) float64 { return m.proxyCPU }, 100, "%.1f")
		}
		row := []string{
			"`" + id + "`",
			fmt.Sprintf("%.0f", stats.Summarize(r.values(sc.id, id, func(m measured) float64 { return float64(m.calls) })).Median),
			v(ofFailed, 1, "%.0f"), last, v(ofBack, 1, "%.2f"),
			v(ofP50, 1e3, "%.2f"),
			v(func(m measured) float64 { return m.p99 }, 1e3, "%.1f"),
			v(func(m measured) float64 { return m.p999 }, 1e3, "%.1f"),
			v(func(m measured) float64 { return m.probes }, 1, "%.1f"),
			v(func(m measured) float64 { return m.clientCPU }, 100, "%.1f"), proxy,
		}
		if sc.answers {
			row = append(row, v(ofShare, 100, "%.2f"))
		}
		rows = append(rows, row)
	}
	return rows
}

// writeRatios compares p50 within each run.
func (r *Report) writeRatios(out *strings.Builder, scenario string) {
	rows := [][]string{{"p50 of", "divided by that of", "median of the runs' ratios"}}
	for _, pair := range [][2]string{{idOurs, idRRHealth}, {idOursOnce, idRRHealth}, {idOurs, idRR}, {idOursOnce, idRR}, {idRR, idRRHealth}} {
		if v := r.ratios(scenario, pair[0], pair[1]); len(v) > 0 {
			rows = append(rows, []string{"`" + pair[0] + "`", "`" + pair[1] + "`", ratioText(v)})
		}
	}
	if len(rows) > 1 {
		sayf(out, "The interval assumes no distribution: it lies between two of the runs' ratios, the same number of ranks from either end.\n\n%s\n",
			table(rows))
	}
}

// table lays out rows, of which the first is the head, as Markdown.
func table(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for i, row := range rows {
		for j, cell := range row {
			sayf(&out, "| %s%s ", cell, strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell)))
		}
		sayf(&out, "|\n")
		if i == 0 {
			for _, w := range width {
				sayf(&out, "|%s", strings.Repeat("-", w+2))
			}
			sayf(&out, "|\n")
		}
	}
	return out.String()
}
