package faults

import (
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Report holds the measurements.
type Report struct {
	options  Options
	machine  string
	versions []string
	skipped  []string // what could not be measured, and why
	runs     []*run   // in the order in which they were made
	took     time.Duration
}

// line returns the result of a run in one line.
func (r *run) line() string {
	var out strings.Builder
	sayf(&out, "%s", r.scenario.id)
	if len(r.marks.heals) == 1 {
		sayf(&out, " of %s", r.victim)
	}
	sayf(&out, "; machine %.0f %% busy, %.0f %% by this; failed:", 100*r.busy, 100*r.ours)
	for _, p := range peers {
		m, ok := r.peers[p.id]
		if !ok {
			continue
		}
		sayf(&out, " %s %d", p.id, m.failed)
		if m.before > 0 {
			sayf(&out, " (%d before the fault)", m.before)
		}
	}
	return out.String()
}

// of returns the runs of a scenario.
func (r *Report) of(scenario string) []*run {
	var out []*run
	for _, one := range r.runs {
		if one.scenario.id == scenario {
			out = append(out, one)
		}
	}
	return out
}

// values returns a peer's values of one metric in the runs of a scenario.
func (r *Report) values(scenario, peer string, of func(measured) float64) []float64 {
	var out []float64
	for _, one := range r.of(scenario) {
		if m, ok := one.peers[peer]; ok {
			out = append(out, of(m))
		}
	}
	return out
}

// Value is one measurement, for records.
type Value struct {
	Scenario, Peer string
	Servers        int
	Run            int // counts from 0 within the scenario
	Metric         string
	Unit           string // "s", or "1" for numbers and shares
	Value          float64
}

// Scenario is a scenario that was run, for records.
type Scenario struct {
	ID, Title string
	Peers     []string // that were measured in it
}

// metric is one thing that is measured.
type metric struct {
	name, unit string
	of         func(measured) float64
}

func ofFailed(m measured) float64     { return float64(m.failed) }
func ofLastFailed(m measured) float64 { return m.lastFailed }
func ofBack(m measured) float64       { return m.back }
func ofP50(m measured) float64        { return m.p50 }
func ofShare(m measured) float64      { return m.share }
func ofExtra(m measured) float64      { return m.extra }
func ofP99(m measured) float64        { return m.p99 }
func ofP999(m measured) float64       { return m.p999 }

// ofSuccess is the share of the calls that were answered within their deadline.
func ofSuccess(m measured) float64 { return 1 - float64(m.failed)/float64(max(m.calls, 1)) }

var metrics = []metric{
	{"calls", "1", func(m measured) float64 { return float64(m.calls) }},
	{"calls failed", "1", ofFailed},
	{"calls failed before the fault", "1", func(m measured) float64 { return float64(m.before) }},
	{"fault to last failing call", "s", ofLastFailed},
	{"healed to back in rotation", "s", ofBack},
	{"not back in rotation", "1", func(m measured) float64 {
		if math.IsInf(m.back, 1) {
			return 1
		}
		return 0
	}},
	{"latency, p50", "s", ofP50},
	{"latency, p99", "s", func(m measured) float64 { return m.p99 }},
	{"latency, p99.9", "s", func(m measured) float64 { return m.p999 }},
	{"share of calls at the struck server", "1", ofShare},
	{"extra calls at the servers", "1", ofExtra},
	{"probes a second", "1", func(m measured) float64 { return m.probes }},
	{"processors used by the client", "1", func(m measured) float64 { return m.clientCPU }},
	{"processors used by the proxy", "1", func(m measured) float64 { return m.proxyCPU }},
}

// Values returns all numeric measurements.
func (r *Report) Values() []Value {
	var out []Value
	for _, sc := range r.options.Suite.scenarios() {
		for i, one := range r.of(sc.id) {
			for _, p := range r.options.Suite.peers() {
				m, ok := one.peers[p.id]
				if !ok {
					continue
				}
				for _, x := range r.options.Suite.metrics() {
					v := x.of(m)
					if math.IsNaN(v) || math.IsInf(v, 0) {
						continue
					}
					out = append(out, Value{
						Scenario: sc.id, Peer: p.id, Servers: sc.servers, Run: i, Metric: x.name, Unit: x.unit, Value: v,
					})
				}
			}
		}
	}
	return out
}

// Scenarios returns the scenarios that were run, in the order of the report.
func (r *Report) Scenarios() []Scenario {
	var out []Scenario
	for _, sc := range r.options.Suite.scenarios() {
		if runs := r.of(sc.id); len(runs) > 0 {
			out = append(out, Scenario{ID: sc.id, Title: sc.title, Peers: r.measuredPeers(sc.id)})
		}
	}
	return out
}

// measuredPeers returns the peers with a measurement in a scenario, in order.
func (r *Report) measuredPeers(scenario string) []string {
	return slices.DeleteFunc(idsOf(r.options.Suite.peers()), func(id string) bool { return len(r.values(scenario, id, ofFailed)) == 0 })
}

// Skipped returns what was left out, and why.
func (r *Report) Skipped() []string { return slices.Clone(r.skipped) }

// WriteTables prints the report, for people.
func (r *Report) WriteTables(w io.Writer) error {
	if len(r.runs) == 0 {
		_, err := io.WriteString(w, "nothing measured\n")
		return err
	}
	_, err := io.WriteString(w, r.text(""))
	return err
}
