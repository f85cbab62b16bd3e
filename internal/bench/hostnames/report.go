package hostnames

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/docpart"
	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// Report holds the measurements of a run.
type Report struct{ Values []Value }

// line is what one peer has shown in one case in all runs.
type line struct{ healthy, failed, made stats.Summary }

// never is the time of a peer that never was healthy.
const never = time.Hour

func (r *Report) line(c, peer string) (l line, ok bool) {
	var healthy, failed, made []float64
	for _, v := range r.Values {
		if v.Case != c || v.Peer != peer {
			continue
		}
		if v.Never {
			v.Healthy = never
		}
		healthy, failed, made = append(healthy, v.Healthy.Seconds()), append(failed, float64(v.Failed)), append(made, float64(v.Made))
	}
	if len(healthy) == 0 {
		return l, false
	}
	return line{stats.Summarize(healthy), stats.Summarize(failed), stats.Summarize(made)}, true
}

// What a value may be worse by and still count as the same: the time that a busy machine
// takes for a few calls; and, if connections age, one connection, since grpc's servers
// choose each one's age at random within a tenth.
const (
	sameTime  = 0.1 // seconds
	sameConns = 1
)

// control is the peer that this library is never to be worse than. round_robin connects to
// all addresses at once, and so needs no race: it has its answer sooner, and costs a server
// with several addresses as many connections.
const control = "dns and pick_first"

// worse returns in what this library is worse than the control in one case, in the median
// or at worst.
func (r *Report) worse(c situation) []string {
	ours, ok := r.line(c.name, peers[0].name)
	theirs, ok2 := r.line(c.name, control)
	if !ok || !ok2 {
		return nil
	}
	conns := 0.0
	if c.age > 0 {
		conns = sameConns
	}
	var worse []string
	for _, x := range []struct {
		name     string
		us, them stats.Summary
		same     float64
	}{
		{claims[0], ours.healthy, theirs.healthy, sameTime}, {claims[1], ours.failed, theirs.failed, 0},
		{claims[2], ours.made, theirs.made, conns},
	} {
		if x.us.Median > x.them.Median+x.same || x.us.Max > x.them.Max+x.same {
			worse = append(worse, x.name)
		}
	}
	return worse
}

// claims are the values that are compared.
var claims = [...]string{"seconds until healthy", "calls failed", "connections"}

// WriteTable writes the tables in Markdown.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n| case | client | %s |\n|---|---|---|---|---|\n", strings.Join(claims[:], " | "))
	for _, c := range Cases() {
		for i, p := range Peers() {
			l, ok := r.line(c, p)
			if !ok {
				continue
			}
			shown := c
			if i > 0 {
				shown = ""
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", shown, p, pair(l.healthy, "%.3f"), pair(l.failed, "%.0f"), pair(l.made, "%.0f"))
		}
	}
	r.writeClaims(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// pair returns a median and the worst value.
func pair(s stats.Summary, format string) string {
	if s.Max >= never.Seconds() {
		return "never"
	}
	return fmt.Sprintf(format+" / "+format, s.Median, s.Max)
}

// writeClaims writes whether this library is never worse than the control.
func (r *Report) writeClaims(b *bytes.Buffer) {
	cases, worse := 0, make(map[string][]string)
	for _, c := range situations {
		if _, ok := r.line(c.name, control); ok {
			cases++
		}
		for _, claim := range r.worse(c) {
			worse[claim] = append(worse[claim], c.name)
		}
	}
	fmt.Fprintf(b, "\n| never worse than %s, in %d cases | holds |\n|---|---|\n", control, cases)
	for _, claim := range claims {
		holds := "yes"
		if len(worse[claim]) > 0 {
			holds = "**no**: " + strings.Join(worse[claim], "; ")
		}
		fmt.Fprintf(b, "| %s | %s |\n", claim, holds)
	}
}

// command writes the part of docs/names.md that WriteDocs replaces.
const command = "go run ./internal/bench names -write docs"

// WriteDocs writes the tables into names.md in a folder.
func (r *Report) WriteDocs(folder, header string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s", header)
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	return docpart.Write(filepath.Join(folder, "names.md"), command, b.Bytes())
}
