package telling

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

// wanting is a sink that wants everything and keeps nothing.
type wanting struct{}

func (wanting) enabled(slog.Level) bool { return true }
func (wanting) event(report.Event, int) {}
func (wanting) missed(uint64)           {}
func (wanting) warn(string, slog.Attr)  {}

func TestLimitsThatLimitNothingAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{sink: wanting{}, limits: map[lineKey]logLimit{}, kept: map[lineKey]report.Event{}, sweepAt: 4}
		for i := range 3 {
			r.offer(report.Event{Kind: report.EventEndpoint, Endpoint: fmt.Sprint(i), To: report.StateHealthy})
		}
		r.sweep()
		assert.Len(t, r.limits, 3)
		time.Sleep(Gap)
		r.offer(report.Event{Kind: report.EventEndpoint, Endpoint: "new", To: report.StateHealthy})
		r.sweep()
		assert.Len(t, r.limits, 1)
	})
}
