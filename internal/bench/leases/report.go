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
	// Short leaves out all but three faults.
	Short bool
	// AtOnce makes all measurements at the same time. They disturb each other.
	AtOnce bool
	// Peers and Faults limit the measurements to these; none means all.
	Peers, Faults []string
	// Log gets a line for each measurement.
	Log io.Writer
}

// Value is one measurement.
type Value struct {
	Peer  string `json:"peer"`
	Fault string `json:"fault"`
	Run   int    `json:"run"`
	// Takeover is the time from the fault until the other process begins; 0 if it does
	// not.
	Takeover time.Duration `json:"takeover"`
	// Silence is the longest time without an action from the fault on, until the end of
	// the measurement. None says that there was no action again.
	Silence time.Duration `json:"silence"`
	None    bool          `json:"none"`
	// Outside counts the actions of a process after another one has begun, outside of
	// its lease, that is, and Late is by how much the last of them came too late.
	Outside int           `json:"outside"`
	Late    time.Duration `json:"late"`
	// Commits counts what was committed to the store, and Stale what was after a commit
	// of a newer holder. Uncounted says that the store has no transactions.
	Commits   int  `json:"commits"`
	Stale     int  `json:"stale"`
	Uncounted bool `json:"uncounted"`
}

// String returns the value in one line.
func (v Value) String() string {
	silence := v.Silence.Round(time.Millisecond).String()
	if v.None {
		silence = "no end"
	}
	return fmt.Sprintf("%s, %s: takeover %v, silence %s, %d actions outside, the last %v late, %d of %d commits stale",
		v.Peer, v.Fault, v.Takeover.Round(time.Millisecond), silence, v.Outside, v.Late.Round(time.Millisecond), v.Stale, v.Commits)
}

// Report holds the measurements of a run.
type Report struct {
	TTL    time.Duration
	Values []Value
}

// line is what all runs of one peer show for one fault.
type line struct {
	takeover stats.Summary
	silence  float64 // the longest, in seconds
	runs     int
	taken    int // runs with a takeover
	none     int // runs in which there was no action again
	outside  int
	late     time.Duration
	stale    string
}

func (r *Report) line(peer, fault string) (l line) {
	var takeovers []float64
	stale, commits, uncounted := 0, 0, false
	for _, v := range r.Values {
		if v.Peer != peer || v.Fault != fault {
			continue
		}
		l.runs++
		if v.Takeover > 0 {
			l.taken++
			takeovers = append(takeovers, v.Takeover.Seconds())
		}
		if v.None {
			l.none++
		}
		l.silence = max(l.silence, v.Silence.Seconds())
		l.outside += v.Outside
		l.late = max(l.late, v.Late)
		stale, commits, uncounted = stale+v.Stale, commits+v.Commits, uncounted || v.Uncounted
	}
	l.takeover = stats.Summarize(takeovers)
	if l.stale = fmt.Sprintf("%d of %d", stale, commits); uncounted {
		l.stale = "-"
	}
	return l
}

// names returns what occurs in the values, in their order.
func (r *Report) names(of func(Value) string) (names []string) {
	for _, v := range r.Values {
		if !slices.Contains(names, of(v)) {
			names = append(names, of(v))
		}
	}
	return names
}

// WriteTable writes a table in Markdown, one line for each fault and peer.
func (r *Report) WriteTable(w io.Writer) error {
	_, err := fmt.Fprintln(w, "| fault | candidates | takeovers | takeover: median | worst | no action for, worst "+
		"| actions outside the lease | the last one late by | stale commits |\n|---|---|---|---|---|---|---|---|---|")
	for _, f := range r.names(func(v Value) string { return v.Fault }) {
		for _, p := range r.names(func(v Value) string { return v.Peer }) {
			l := r.line(p, f)
			if l.runs == 0 || err != nil {
				continue
			}
			median, worst, silence := "-", "-", fmt.Sprintf("%.2f s", l.silence)
			if l.taken > 0 {
				median, worst = fmt.Sprintf("%.2f s", l.takeover.Median), fmt.Sprintf("%.2f s", l.takeover.Max)
			}
			if l.none > 0 {
				silence = fmt.Sprintf("no end in %d", l.none)
			}
			_, err = fmt.Fprintf(w, "| %s | %s | %d of %d | %s | %s | %s | %d | %v | %s |\n",
				f, p, l.taken, l.runs, median, worst, silence, l.outside, l.late.Round(time.Millisecond), l.stale)
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
