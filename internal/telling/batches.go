package telling

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

// Batches yields a first batch, and then one for all events of the meantime.
func Batches(ctx context.Context, reader *event.Reader[report.Event], first report.EventBatch, yield func(report.EventBatch) bool) {
	event.Batches(ctx, reader, first, func(events []report.Event, missed uint64) report.EventBatch {
		return report.EventBatch{Events: events, Missed: missed}
	}, yield)
}
