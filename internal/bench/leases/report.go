package leases

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/docpart"
	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// Options say what is measured.
type Options struct {
	// Runs is how often each fault is repeated for each peer. Seed shuffles the order.
	Runs int
	Seed uint64
	// TTL of the leases: whole seconds. Default 3 s.
	TTL time.Duration
	// Short leaves out the faults of stores.
	Short bool
	// Peers and Faults limit the measurements to these; nil means all.
	Peers, Faults []string
	// Log gets a line for each measurement.
	Log io.Writer
}

// Value is one measurement.
type Value struct {
	Peer, Fault string
	Run         int
	// Silence is the longest time without an action from the fault on, until the end of
	// the measurement. None says that there was no action again.
	Silence time.Duration
	None    bool
	// Overlap counts the actions of a process after another one has begun, and Late is
	// by how much the last of them came too late.
	Overlap int
	Late    time.Duration
}

// String returns the value in one line.
func (v Value) String() string {
	silence := v.Silence.Round(time.Millisecond).String()
	if v.None {
		silence = "no end"
	}
	return fmt.Sprintf("%s, %s: silence %s, %d overlapping actions, the last %v late",
		v.Peer, v.Fault, silence, v.Overlap, v.Late.Round(time.Millisecond))
}

// Report holds the measurements of a run.
type Report struct {
	TTL    time.Duration
	Values []Value
}

// line is what all runs of one peer show for one fault.
type line struct {
	silence stats.Summary
	runs    int
	none    int // runs in which there was no action again
	overlap int
	late    time.Duration
}

func (r *Report) line(peer, fault string) (l line) {
	var silences []float64
	for _, v := range r.Values {
		if v.Peer != peer || v.Fault != fault {
			continue
		}
		l.runs++
		if v.None {
			l.none++
		} else {
			silences = append(silences, v.Silence.Seconds())
		}
		l.overlap += v.Overlap
		l.late = max(l.late, v.Late)
	}
	l.silence = stats.Summarize(silences)
	return l
}

// names returns what occurs in the values, in the order of the first run.
func (r *Report) names(of func(Value) string) (names []string) {
	for _, v := range r.Values {
		if !slices.Contains(names, of(v)) {
			names = append(names, of(v))
		}
	}
	slices.Sort(names)
	return names
}

// WriteTable writes a table in Markdown, one line for each fault and peer.
func (r *Report) WriteTable(w io.Writer) error {
	_, err := fmt.Fprintln(w, "| fault | candidates | runs | no action for: median | worst | no action again "+
		"| overlapping actions | the last one late by |\n|---|---|---|---|---|---|---|---|")
	for _, f := range r.names(func(v Value) string { return v.Fault }) {
		for _, p := range r.names(func(v Value) string { return v.Peer }) {
			l := r.line(p, f)
			if l.runs == 0 || err != nil {
				continue
			}
			median, worst := "-", "-"
			if l.none < l.runs {
				median, worst = fmt.Sprintf("%.2f s", l.silence.Median), fmt.Sprintf("%.2f s", l.silence.Max)
			}
			_, err = fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %d | %d | %v |\n",
				f, p, l.runs, median, worst, l.none, l.overlap, l.late.Round(time.Millisecond))
		}
	}
	return err
}

// command writes the part of docs/lease.md that WriteDocs replaces.
const command = "go run ./internal/bench lease -reps 10 -write docs"

// WriteDocs writes the table into lease.md in a folder.
func (r *Report) WriteDocs(folder, header string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s\n", header)
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	return docpart.Write(filepath.Join(folder, "lease.md"), command, b.Bytes())
}
