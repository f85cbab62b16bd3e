package healthcheck

import (
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// schedule says when to probe next: a pure function of the state of health.
type schedule struct {
	interval, suspectInterval time.Duration
	jitter                    float64 // a share of the delay, 0 to 1
}

func newSchedule(c Config) schedule {
	s := schedule{interval: c.Interval, suspectInterval: c.SuspectInterval, jitter: c.Jitter}
	if s.jitter < 0 { // NoJitter
		s.jitter = 0
	}
	return s
}

// delay is the time from the end of one probe to the start of the next. While a
// change of state is being decided it is the suspect interval: for a suspect,
// for an unhealthy endpoint that has begun to answer, and for one of which
// nothing is known. u is a random number from 0 up to 1 that spreads the delay
// by the jitter to both sides, so that the clients of one server do not fall
// into step.
func (s schedule) delay(h Health, u float64) time.Duration {
	d := s.interval
	if h.State == report.HealthUnknown || h.State == report.Suspect || h.Passes > 0 {
		d = s.suspectInterval
	}
	return d + time.Duration(float64(d)*s.jitter*(2*u-1))
}
