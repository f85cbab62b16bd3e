package checking

import (
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// delay returns the time from the end of one probe to the start of the next. While
// a change of state is being decided it is the suspect interval: for a suspect
// endpoint, for an unhealthy one that has begun to answer, and for one in state
// unknown. u is a random number from 0 up to 1 that lengthens or shortens the delay
// by the jitter, so that the clients of one server do not probe in step.
func (s Settings) delay(h Health, u float64) time.Duration {
	d := s.Interval
	if s.Idle > 0 && h.State == report.Healthy {
		d = s.Idle
	}
	if h.State == report.HealthUnknown || h.State == report.Suspect || h.Passes > 0 {
		d = s.SuspectInterval
	}
	return d + time.Duration(float64(d)*s.Jitter*(2*u-1))
}
