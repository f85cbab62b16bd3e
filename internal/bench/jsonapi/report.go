package jsonapi

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/docpart"
	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// Options say what is measured.
type Options struct {
	// Short measures for a shorter time.
	Short bool
	// Runs is the number of repetitions.
	Runs int
	// Log receives the progress.
	Log io.Writer
}

// Value is what one peer has shown under one fault in one run.
type Value struct {
	Peer, Fault   string
	Run           int
	Calls, Failed int
	// LastError is how long after the beginning of the fault the last request that
	// failed began; 0 if none failed.
	LastError time.Duration
	P50, P99  time.Duration
}

// Peers returns the names of the peers, in the order of the tables.
func Peers() []string {
	var out []string
	for _, p := range peers {
		out = append(out, p.name)
	}
	return out
}

// Faults returns the names of the faults.
func Faults() []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.name)
	}
	return out
}

// The load: GETs a second, and the deadline of each, which allows two detections of a
// server that hangs.
const (
	rate     = 94
	deadline = 3 * time.Second
)

// control is the peer that others are compared with.
const control = "http.Client"

// Report holds the measurements of a run.
type Report struct {
	Values []Value

	deadline, hold time.Duration
}

// line is the line of one peer under one fault.
type line struct {
	p50, p99      stats.Summary
	ratio         stats.Summary // of p50 to that of control in the same run
	calls, failed int
	last          time.Duration // of all runs
}

func (r *Report) line(fault, peer string) (l line, ok bool) {
	controls := make(map[int]float64)
	for _, v := range r.Values {
		if v.Fault == fault && v.Peer == control {
			controls[v.Run] = v.P50.Seconds()
		}
	}
	var p50, p99, ratios []float64
	for _, v := range r.Values {
		if v.Fault != fault || v.Peer != peer {
			continue
		}
		p50, p99 = append(p50, v.P50.Seconds()), append(p99, v.P99.Seconds())
		if c := controls[v.Run]; c > 0 {
			ratios = append(ratios, v.P50.Seconds()/c)
		}
		l.calls, l.failed, l.last = l.calls+v.Calls, l.failed+v.Failed, max(l.last, v.LastError)
	}
	if len(p50) == 0 {
		return l, false
	}
	l.p50, l.p99, l.ratio = stats.Summarize(p50), stats.Summarize(p99), stats.Summarize(ratios)
	return l, true
}

// WriteTable writes a table in Markdown: sums of failures, medians of the rest, and of
// the ratio the range too.
func (r *Report) WriteTable(w io.Writer) error {
	for _, f := range faults {
		if _, ok := r.line(f.name, control); !ok {
			continue
		}
		_, err := fmt.Fprintf(w, "\n**%s**: %s.\n\n"+
			"| client | failed | of | time to last error | p50 | p50 / %s | p99 |\n|---|---|---|---|---|---|---|\n",
			f.name, f.text, control)
		for _, p := range peers {
			l, measured := r.line(f.name, p.name)
			if !measured || err != nil {
				continue
			}
			last := "-"
			if l.failed > 0 {
				last = fmt.Sprintf("%.1f s", l.last.Seconds())
			}
			_, err = fmt.Fprintf(w, "| %s | %d | %d | %s | %s | %.2f (%.2f to %.2f) | %s |\n", p.name, l.failed, l.calls, last,
				ms(l.p50.Median), l.ratio.Median, l.ratio.Min, l.ratio.Max, ms(l.p99.Median))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ms(seconds float64) string {
	const perMS = float64(time.Second / time.Millisecond)
	return fmt.Sprintf("%.2f ms", seconds*perMS)
}

// command writes the part of docs/jsonapi.md that WriteDocs replaces.
const command = "go run ./internal/bench http -write docs"

// WriteDocs writes the tables into jsonapi.md in a folder.
func (r *Report) WriteDocs(folder, header string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s\nAll peers run at the same time, each with two servers of its own: %d GETs a second, each with a deadline of %v.\n"+
		"A fault lasts %v. Failures are the sum of all runs.\n",
		header, rate, r.deadline, r.hold)
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	return docpart.Write(filepath.Join(folder, "jsonapi.md"), command, b.Bytes())
}
