package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

const (
	// againstReps is the default of -reps with -against; fewer than six pairs have no
	// interval.
	againstReps = 10
	// againstEnough is the confidence of the intervals.
	againstEnough = 0.95
	// againstPatience is how long a binary has to end after an interrupt.
	againstPatience = 30 * time.Second
)

// comparison compares this binary with one that was built of another commit. Both run
// each suite once in each repetition, one right after the other and in random order, so
// that other load of the machine affects both. Each repetition yields one ratio. The
// median of the ratios is reported with an interval that holds for any distribution.
//
// It compares lines of JSON, so the binaries need only print those. A suite is the same
// code in both only as far as the commits have the same: policies that are not of this
// library show whether it is.
type comparison struct {
	options

	binaries       [2]string // by side
	stdout, stderr io.Writer

	lines  []record // in the order in which they came, without values
	values map[record]map[int]pair
}

// pair is what both binaries have measured in one repetition, by side.
type pair [2]struct {
	value    float64
	measured bool
}

// The sides of a pair.
const (
	before = iota
	after
)

var sides = [...]string{before: "before", after: "after"}

// compare is the command with -against.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) int {
	self, err := os.Executable()
	if err != nil {
		sayf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	return (&comparison{options: o, binaries: [...]string{o.against, self}, stdout: stdout, stderr: stderr}).run(ctx)
}

func (c *comparison) run(ctx context.Context) int {
	c.values = make(map[record]map[int]pair)
	rng := rand.New(rand.NewPCG(c.seed, 0))
	failed := false
	for rep := range c.reps {
		for _, s := range c.suites {
			order := []int{before, after}
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, side := range order {
				if ctx.Err() != nil {
					break
				}
				sayf(c.stderr, "%s: repetition %d of %d: %s\n", s.name, rep+1, c.reps, sides[side])
				if err := c.measure(ctx, s.name, rep, side); err != nil && ctx.Err() == nil {
					sayf(c.stderr, "bench: suite %s, %s: %v\n", s.name, sides[side], err)
					failed = true
				}
			}
		}
	}
	if err := c.write(); err != nil {
		sayf(c.stderr, "bench: %v\n", err)
		failed = true
	}
	switch {
	case ctx.Err() != nil:
		sayf(c.stderr, "bench: the comparison was interrupted; what it measured so far is printed\n")
		return exitInterrupted
	case failed:
		return exitFailed
	default:
		return exitOK
	}
}

// measure runs one suite with one of the binaries, and adds what it prints.
func (c *comparison) measure(ctx context.Context, suite string, rep, side int) error {
	args := []string{"-json", "-reps", "1", "-seed", strconv.FormatUint(c.seed+uint64(rep), 10)} // the same for both
	if c.short {
		args = append(args, "-short")
	}
	if isHarm(suite) {
		for name, list := range map[string][]string{"-fault": c.faulty.Scenarios, "-peer": c.faulty.Peers} {
			if list != nil {
				args = append(args, name, strings.Join(list, ","))
			}
		}
	}
	cmd := exec.CommandContext(ctx, c.binaries[side], append(args, suite)...) //nolint:gosec // the user names the program
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = againstPatience
	cmd.Stderr = c.stderr
	out, err := cmd.Output()
	return errors.Join(err, c.add(out, rep, side))
}

// add adds lines of JSON.
func (c *comparison) add(out []byte, rep, side int) error {
	for in := json.NewDecoder(strings.NewReader(string(out))); ; {
		var rec record
		switch err := in.Decode(&rec); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("its output: %w", err)
		case rec.Over != "" || rec.Missing || rec.Skipped != "":
			continue
		}
		value := rec.Median
		rec.Median, rec.Min, rec.Max, rec.Reps = 0, 0, 0, 0
		if c.values[rec] == nil {
			c.values[rec] = make(map[int]pair)
			c.lines = append(c.lines, rec)
		}
		p := c.values[rec][rep]
		p[side].value, p[side].measured = value, true
		c.values[rec][rep] = p
	}
}

// compared is one line of the result. Ratio, Low and High are those of after to before:
// the median of the pairs' ratios and its interval. They are nil if there are no
// ratios, or too few for an interval.
type compared struct {
	record

	Before float64  `json:"before"`
	After  float64  `json:"after"`
	Pairs  int      `json:"pairs"`
	Ratio  *float64 `json:"ratio,omitempty"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
}

// result returns the comparison of one line. It returns false if only one binary
// has it.
func (c *comparison) result(rec record) (compared, bool) {
	var values [2][]float64
	var ratios []float64
	for _, p := range c.values[rec] {
		if !p[before].measured || !p[after].measured {
			continue
		}
		for side := range p {
			values[side] = append(values[side], p[side].value)
		}
		if p[before].value != 0 {
			ratios = append(ratios, p[after].value/p[before].value)
		}
	}
	out := compared{
		record: rec, Pairs: len(values[before]),
		Before: stats.Summarize(values[before]).Median, After: stats.Summarize(values[after]).Median,
	}
	if len(ratios) > 0 {
		out.Ratio = new(stats.Summarize(ratios).Median)
	}
	if low, high, ok := stats.MedianInterval(ratios, againstEnough); ok {
		out.Low, out.High = &low, &high
	}
	return out, out.Pairs > 0
}

// write prints the results, and which lines only one binary has.
func (c *comparison) write() error {
	var results []compared
	for _, rec := range c.lines {
		if r, both := c.result(rec); both {
			results = append(results, r)
		} else {
			sayf(c.stderr, "bench: not measured by both binaries: %s\n", strings.Join(cellsOf(rec), ", "))
		}
	}
	if c.json {
		out := json.NewEncoder(c.stdout)
		for _, r := range results {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	sayf(table, "suite\tcase\tn\tthreads\tmetric\tpolicy\tbefore\tafter\tafter ÷ before\t95 %% interval\tits half\tpairs\n")
	for _, r := range results {
		cells := append(cellsOf(r.record), unit(r.Unit).format(r.Before), unit(r.Unit).format(r.After), "", "", "", strconv.Itoa(r.Pairs))
		if r.Ratio != nil {
			cells[8] = fmt.Sprintf("%.3f", *r.Ratio)
		}
		if r.Low != nil {
			cells[9], cells[10] = fmt.Sprintf("[%.3f .. %.3f]", *r.Low, *r.High), fmt.Sprintf("%.3f", (*r.High-*r.Low)/2)
		}
		sayf(table, "%s\n", strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// cellsOf returns what identifies a line.
func cellsOf(r record) []string {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return []string{r.Suite, r.Case, number(r.N), number(r.Threads), r.Metric, r.Policy}
}
