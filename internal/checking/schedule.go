package checking

import (
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// delay is the time from the end of one probe to the start of the next. While a
// change of state is being decided it is the suspect interval: for a suspect,
// for an unhealthy endpoint that has begun to answer, and for one of which
// nothing is known. u is a random number from 0 up to 1 that spreads the delay
// by the jitter to both sides, so that the clients of one server do not fall
// into step.
func (s Settings) delay(h Health, u float64) time.Duration {
	d := s.Interval
	if h.State == report.HealthUnknown || h.State == report.Suspect || h.Passes > 0 {
		d = s.SuspectInterval
	}
	return d + time.Duration(float64(d)*s.Jitter*(2*u-1))
}
