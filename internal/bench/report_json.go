package main

import (
	"encoding/json"
	"io"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// record is one line of JSON. In a line with Over the values are ratios:
// policy's value divided by that of the policy Over, in the same repetition.
type record struct {
	Suite   string  `json:"suite"`
	Case    string  `json:"case,omitempty"`
	Policy  string  `json:"policy"`
	Over    string  `json:"over,omitempty"`
	N       int     `json:"n,omitempty"`
	Threads int     `json:"threads,omitempty"`
	Metric  string  `json:"metric,omitempty"`
	Unit    string  `json:"unit,omitempty"`
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Reps    int     `json:"reps"`
	Missing bool    `json:"missing,omitempty"`
	Skipped string  `json:"skipped,omitempty"` // what was left out, and why
}

// writeJSON prints one object per line.
func (r *results) writeJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	for _, s := range r.sections {
		for _, p := range r.points(s) {
			rec := record{
				Suite: r.suite, Case: s.id, Policy: p.policy, N: p.n, Threads: p.threads,
				Metric: p.metric.name, Unit: string(p.metric.unit),
			}
			if err := out.Encode(rec.with(valuesOf(r.values[p]))); err != nil {
				return err
			}
			for _, b := range s.baselines {
				ratios := r.ratios(p, b)
				if len(ratios) == 0 {
					continue
				}
				rec.Over, rec.Unit = b, "ratio"
				if err := out.Encode(rec.with(ratios)); err != nil {
					return err
				}
			}
		}
	}
	for _, label := range r.missing {
		if err := out.Encode(record{Suite: r.suite, Policy: label, Missing: true}); err != nil {
			return err
		}
	}
	for _, what := range r.skipped {
		if err := out.Encode(record{Suite: r.suite, Skipped: what}); err != nil {
			return err
		}
	}
	return nil
}

func (rec record) with(values []float64) record {
	s := stats.Summarize(values)
	rec.Median, rec.Min, rec.Max, rec.Reps = s.Median, s.Min, s.Max, len(values)
	return rec
}
