package probes

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// Alive counts any answer of the endpoint as a sign of life, and checks nothing else.
type Alive struct{ Check checking.Prober }

// Kind is that of Check.
func (a Alive) Kind() report.ProbeKind { return a.Check.Kind() }

// Probe implements checking.Prober.
func (a Alive) Probe(ctx context.Context) report.Verdict {
	v := a.Check.Probe(ctx)
	if checking.Answered(v) {
		return checking.NewVerdict(report.Serving, report.ReasonConnected, "")
	}
	return v
}
