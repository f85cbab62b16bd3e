package checking

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/report"
)

func TestScheduleHurriesWhileAChangeIsBeingDecided(t *testing.T) {
	s := Settings{Interval: time.Second, SuspectInterval: 100 * time.Millisecond}
	for name, c := range map[string]struct {
		h    Health
		want time.Duration
	}{
		"unknown":                        {Health{State: report.HealthUnknown}, 100 * time.Millisecond},
		"healthy":                        {Health{State: report.Healthy}, time.Second},
		"suspect":                        {Health{State: report.Suspect}, 100 * time.Millisecond},
		"unhealthy":                      {Health{State: report.Unhealthy}, time.Second},
		"unhealthy, and began to answer": {Health{State: report.Unhealthy, Passes: 1}, 100 * time.Millisecond},
	} {
		assert.Equal(t, c.want, s.delay(c.h, 0.5), name)
	}
}

func TestScheduleSpreadsTheDelayByTheJitterToBothSides(t *testing.T) {
	s := Settings{Interval: time.Second, Jitter: 0.2}
	assert.Equal(t, 800*time.Millisecond, s.delay(Health{State: report.Healthy}, 0))
	assert.Equal(t, time.Second, s.delay(Health{State: report.Healthy}, 0.5))
	rapid.Check(t, func(t *rapid.T) {
		d := s.delay(Health{State: report.Healthy}, rapid.Float64Range(0, 1).Draw(t, "u"))
		assert.GreaterOrEqual(t, d, 800*time.Millisecond)
		assert.LessOrEqual(t, d, 1200*time.Millisecond)
	})
}

func TestScheduleWithoutJitter(t *testing.T) {
	assert.Equal(t, time.Second, Settings{Interval: time.Second}.delay(Health{State: report.Healthy}, 0.99))
}
