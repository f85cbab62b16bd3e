package explain

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// MovedError is why a stream was ended: its endpoint is no longer the active one, or no
// longer picked. To is empty in the latter case.
type MovedError struct {
	From, To string
	Reason   report.Reason
}

// Error returns a text with the endpoints and the reason.
func (e *MovedError) Error() string {
	if e.To == "" {
		return fmt.Sprintf("endpoint %q is not picked any more (%s)", cleantext.Detail(e.From), e.Reason)
	}
	return fmt.Sprintf("endpoint %q is not the active one any more (%s): %q is",
		cleantext.Detail(e.From), e.Reason, cleantext.Detail(e.To))
}
