package checking

import (
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// NewVerdict makes a verdict of what a probe has said: an outcome that is none of
// package report's is Inconclusive, and detail, which may come from a peer, is
// cleaned and bounded.
func NewVerdict(o report.Outcome, r report.Reason, detail string) report.Verdict {
	return report.Verdict{Outcome: o.Bounded(), Reason: r, Detail: cleantext.Detail(detail)}
}
