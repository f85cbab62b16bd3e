package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// unit is what a metric is counted in.
type unit string

const (
	nanoseconds unit = "ns"
	seconds     unit = "s"
	bytes       unit = "B"
	count       unit = "1"
)

// format returns a value with its unit, for people.
func (u unit) format(v float64) string {
	switch {
	case u == nanoseconds:
		return fmt.Sprintf("%.1f ns", v)
	case u == seconds && v < 1e-3:
		return fmt.Sprintf("%.1f µs", v*1e6)
	case u == seconds && v < 1:
		return fmt.Sprintf("%.2f ms", v*1e3)
	case u == seconds:
		return fmt.Sprintf("%.2f s", v)
	case u == bytes && v < 1<<10:
		return fmt.Sprintf("%.0f B", v)
	case u == bytes && v < 1<<20:
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	case u == bytes && v < 1<<30:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case u == bytes:
		return fmt.Sprintf("%.2f GiB", v/(1<<30))
	case v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// metric is one thing that is measured.
type metric struct {
	name  string
	unit  unit
	plain bool // its ratios are meaningless
}

// section is a part of a suite with its own table.
type section struct {
	id    string
	title string
	// policies in the order of the table's lines.
	policies []policy
	// baselines are labels of policies. Every other line's ratios are its value
	// divided by the baseline's, within a repetition.
	baselines []string
}

// point identifies a value.
type point struct {
	section string
	n       int // endpoints
	threads int // 0 if not applicable
	metric  metric
	policy  string // its label
}

// results are the values of one suite, by point and repetition.
type results struct {
	suite    string
	sections []section
	metrics  []metric // in order of first appearance
	values   map[point]map[int]float64
	missing  []string // labels of policies that are not registered
	skipped  []string // what cannot be measured on this machine, and why
	// tables, if not nil, prints the results in place of the sections' tables.
	tables func(io.Writer) error
}

func newResults(suite string) *results {
	return &results{suite: suite, values: make(map[point]map[int]float64)}
}

// add adds the value at p in one repetition.
func (r *results) add(p point, rep int, value float64) {
	if r.values[p] == nil {
		r.values[p] = make(map[int]float64)
	}
	r.values[p][rep] = value
	if !slices.Contains(r.metrics, p.metric) {
		r.metrics = append(r.metrics, p.metric)
	}
}

// value is a measured value of one metric.
type value struct {
	metric metric
	value  float64
}

// addAll adds several values at p, whose metric is ignored.
func (r *results) addAll(p point, rep int, values []value) {
	for _, v := range values {
		p.metric = v.metric
		r.add(p, rep, v.value)
	}
}

// miss records that a policy could not be measured.
func (r *results) miss(p policy) {
	if !slices.Contains(r.missing, p.label) {
		r.missing = append(r.missing, p.label)
	}
}

// points returns the points of a section in the order of its table.
func (r *results) points(s section) []point {
	var out []point
	for p := range r.values {
		if p.section == s.id {
			out = append(out, p)
		}
	}
	line := func(p point) int {
		return slices.IndexFunc(s.policies, func(q policy) bool { return q.label == p.policy })
	}
	slices.SortFunc(out, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.threads, b.threads),
			cmp.Compare(slices.Index(r.metrics, a.metric), slices.Index(r.metrics, b.metric)),
			cmp.Compare(line(a), line(b)))
	})
	return out
}

// ratios returns p's values divided by those of the baseline in the same
// repetition. It returns none if ratios of the metric are meaningless, or if the
// baseline has no value, or zero.
func (r *results) ratios(p point, baseline string) []float64 {
	base := p
	base.policy = baseline
	if base == p || p.metric.plain {
		return nil
	}
	var out []float64
	for rep, v := range r.values[p] {
		if d := r.values[base][rep]; d != 0 {
			out = append(out, v/d)
		}
	}
	return out
}

func valuesOf(byRep map[int]float64) []float64 {
	out := make([]float64, 0, len(byRep))
	for _, v := range byRep {
		out = append(out, v)
	}
	return out
}

// writeTables prints one table for each section, the ratios last.
func (r *results) writeTables(w io.Writer) error {
	if r.tables != nil {
		return r.tables(w)
	}
	for _, s := range r.sections {
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", r.suite, s.title); err != nil {
			return err
		}
		if err := r.writeTable(w, s); err != nil {
			return err
		}
	}
	for _, label := range r.missing {
		if _, err := fmt.Fprintf(w, "MISSING: %s: no policy of that name is registered\n", label); err != nil {
			return err
		}
	}
	return nil
}

func (r *results) writeTable(w io.Writer, s section) error {
	points := r.points(s)
	if len(points) == 0 {
		_, err := fmt.Fprintln(w, "nothing measured")
		return err
	}
	threads := points[len(points)-1].threads > 0
	header := []string{"n"}
	if threads {
		header = append(header, "threads")
	}
	header = append(header, "metric", "policy", "median", "[min .. max]")
	for _, b := range s.baselines {
		header = append(header, "÷ "+b)
	}
	lines := []string{strings.Join(header, "\t")}
	for i, p := range points {
		if i > 0 && (points[i-1].n != p.n || points[i-1].threads != p.threads || points[i-1].metric != p.metric) {
			lines = append(lines, strings.Repeat("\t", len(header)-1))
		}
		lines = append(lines, strings.Join(r.cells(p, s.baselines, threads), "\t"))
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(t, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// cells returns one line of a table.
func (r *results) cells(p point, baselines []string, threads bool) []string {
	u := p.metric.unit
	v := stats.Summarize(valuesOf(r.values[p]))
	out := []string{strconv.Itoa(p.n)}
	if threads {
		out = append(out, strconv.Itoa(p.threads))
	}
	out = append(out, p.metric.name, p.policy, u.format(v.Median), fmt.Sprintf("[%s .. %s]", u.format(v.Min), u.format(v.Max)))
	for _, b := range baselines {
		cell := ""
		if ratios := r.ratios(p, b); len(ratios) > 0 {
			x := stats.Summarize(ratios)
			cell = fmt.Sprintf("%.2f [%.2f .. %.2f]", x.Median, x.Min, x.Max)
		}
		out = append(out, cell)
	}
	return out
}
