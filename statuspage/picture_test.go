package statuspage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/report"
)

func TestABarIsNeverTooNarrowToBeSeenNorOutsideOfTheStrip(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	rapid.Check(t, func(t *rapid.T) {
		var s history.Spans
		for range rapid.IntRange(1, 40).Draw(t, "spans") {
			s = s.Add(history.Span{From: later(rapid.IntRange(-1000, 900).Draw(t, "from")), State: report.StateUnhealthy}, later(900))
		}
		for i := range s {
			if from, width, ok := bar(s, i, later(905)); ok {
				assert.GreaterOrEqual(t, from, 0.0)
				assert.GreaterOrEqual(t, width, leastBar)
				assert.LessOrEqual(t, from+width, float64(stripWidth))
			}
		}
	})
}
