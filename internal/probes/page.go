package probes

import (
	"context"
	"net/http"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/race"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// pageProbe is an HTTP probe that owns its client. If the page has to be got on a new
// connection, it is got from each address of the name by turns, by the rules of
// machine.Race, until one answers.
type pageProbe struct {
	page     healthcheck.Probe
	client   *http.Client
	progress *transport.Progress
}

func (p pageProbe) Kind() report.ProbeKind { return p.page.Kind() }
func (p pageProbe) Target() string         { return p.page.Target() }

func (p pageProbe) Probe(ctx context.Context) report.Verdict {
	var answers names.List
	v, _ := race.Race[report.Verdict]{
		Addresses: 1, Found: answers.Grown(),
		Try: func(ctx context.Context, i int) (report.Verdict, bool) {
			a := transport.Attempt{To: answers.At(i), Progress: p.progress}
			if i == 0 {
				a.Found = answers.Add
			}
			v := p.page.Probe(transport.WithAttempt(ctx, a))
			return v, v.Outcome != report.Failed
		},
	}.Run(ctx)
	return v
}

// Close closes idle connections.
func (p pageProbe) Close() error {
	p.client.CloseIdleConnections()
	return nil
}
