package checking

import (
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// NewVerdict returns the verdict of a probe. An outcome that package report does
// not define becomes Inconclusive. detail may come from a peer; it is cleaned and
// bounded.
func NewVerdict(o report.Outcome, r report.Reason, detail string) report.Verdict {
	return report.Verdict{Outcome: o.Bounded(), Reason: r, Detail: cleantext.Detail(detail)}
}
