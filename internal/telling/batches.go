package telling

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/report"
)

// Batches yields a first batch, and then one for all events of the meantime.
func Batches(ctx context.Context, reader *event.Reader[report.Event], batch report.EventBatch, yield func(report.EventBatch) bool) {
	for yield(batch) {
		events, missed, err := reader.Next(ctx)
		if err != nil {
			return
		}
		batch = report.EventBatch{Events: events, Missed: missed}
	}
}
