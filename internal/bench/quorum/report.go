package quorum

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/docpart"
	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// Report holds the measurements of a run.
type Report struct{ Values []Value }

// line is the line of one peer in one situation.
type line struct {
	p50, p99, requests stats.Summary
	calls              int
	wrong, failed      int
}

func (r *Report) line(members, faults int, peer string) (l line, ok bool) {
	var p50, p99, requests []float64
	for _, v := range r.Values {
		if v.Members == members && v.Faults == faults && v.Peer == peer {
			p50, p99 = append(p50, v.P50.Seconds()), append(p99, v.P99.Seconds())
			requests = append(requests, v.Requests)
			l.calls, l.wrong, l.failed = l.calls+v.Calls, l.wrong+v.Wrong, l.failed+v.Failed
		}
	}
	l.p50, l.p99, l.requests = stats.Summarize(p50), stats.Summarize(p99), stats.Summarize(requests)
	return l, len(p50) > 0
}

// WriteTable writes a table in Markdown: medians of the repetitions.
func (r *Report) WriteTable(w io.Writer) error {
	_, err := fmt.Fprintln(w, "| n | faulty | how | p50 | p99 | p99 / control "+
		"| requests per answer | requests / control | calls | wrong | failed |\n"+
		"|---|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range []int{4, 7, 13} {
		for _, faults := range faultsOf(n) {
			base, ok := r.line(n, faults, control)
			for _, p := range Peers() {
				l, measured := r.line(n, faults, p)
				if !ok || !measured || err != nil {
					continue
				}
				_, err = fmt.Fprintf(w, "| %d | %d | %s | %s | %s | %.2f | %.2f | %.2f | %d | %d | %d |\n", n, faults, p,
					ms(l.p50.Median), ms(l.p99.Median), l.p99.Median/base.p99.Median,
					l.requests.Median, l.requests.Median/base.requests.Median, l.calls, l.wrong, l.failed)
			}
		}
	}
	return err
}

func ms(seconds float64) string {
	return fmt.Sprintf("%.1f ms", seconds*float64(time.Second)/float64(time.Millisecond))
}

// command writes the part of docs/quorum.md that WriteDocs replaces.
const command = "go run ./internal/bench quorum -write docs"

// WriteDocs writes the table into quorum.md in a folder.
func (r *Report) WriteDocs(folder, header string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s\n", header)
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	return docpart.Write(filepath.Join(folder, "quorum.md"), command, b.Bytes())
}
