package probes

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// firstLookUp is the probe of a target whose name may not be known yet. As long as no name
// server has answered, a probe that fails says nothing about the server. It is used by one
// goroutine at a time.
type firstLookUp struct {
	checking.Prober

	progress transport.Progress
	over     bool // a verdict has counted: the name was known once, or cannot be looked up
}

func (p *firstLookUp) Probe(ctx context.Context) report.Verdict {
	v := p.Prober.Probe(ctx)
	if _, looking := p.progress.LookUp(); looking && !p.over && v.Outcome == report.Failed {
		return checking.NewVerdict(report.Inconclusive, report.ReasonConnectFailed, report.PhaseLookup.Waits())
	}
	p.over = p.over || v.Outcome != report.Inconclusive
	return v
}

// Close closes the probe.
func (p *firstLookUp) Close() error { return checking.Probes{Check: p.Prober}.Close() }
