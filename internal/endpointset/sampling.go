package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/report"
)

// Calls only count; they never look at a clock. What follows from their silence
// is found by looking at the counts: several times in the time of a silence, but
// for thousands of endpoints no more often than takes a hundredth of a processor.
const (
	samplesPerSilence = 4
	minSamplePause    = 10 * time.Millisecond
	pausePerWork      = 99
)

// startSamplerLocked has the connections looked at from now on, if there is
// anything to look at.
func (s *Set) startSamplerLocked() {
	if s.sampling || s.closed || len(s.list) == 0 || s.cfg.HealthCheck.Disabled {
		return
	}
	s.sampling = true
	s.wg.Go(s.sampler)
}

func (s *Set) sampler() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
			start := time.Now()
			pause := s.sample()
			timer.Reset(max(pause, pausePerWork*time.Since(start)))
		}
	}
}

// sample looks at every connection, and gives the time until the next look. If
// nobody has been picked since the last look, no call was in flight then, and
// nobody is out, then there is nothing to see: an idle client of many endpoints
// sleeps on.
func (s *Set) sample() time.Duration {
	now := time.Now()
	s.mu.Lock()
	defer s.unlock()
	turn := s.room.Turn()
	if turn != s.sampled || s.busy || s.counts[judge.Out] > 0 || len(s.leaving) > 0 || len(s.retired) > 0 {
		s.sampled, s.busy = turn, false
		for _, e := range s.list {
			e.sampleLocked(now)
		}
		for _, e := range s.leaving {
			e.sampleLocked(now)
		}
		s.sampleRetiredLocked(now)
		s.unrecorded = true
	}
	if s.unrecorded && now.Sub(s.progressed) >= progressEvery {
		s.recordProgressLocked(now)
	}
	if !s.busy {
		s.quiet = now
	}
	return max(s.cfg.HealthCheck.Silence/samplesPerSilence, minSamplePause)
}

// sampleLocked has the endpoint probed at once if its connection is silent, and
// closes the connection if it is dead: unhealthy, with nothing read from it and no
// probe answered for long.
func (e *endpoint) sampleLocked(now time.Time) {
	c, s := e.conn, e.set
	if c == nil || e.link.phase != ready || e.checker == nil {
		return
	}
	n := c.Counts()
	if n.Heard != c.silence.heard {
		e.heardAt = now
	}
	s.busy = s.busy || n.InFlight > 0
	if c.silence.since.Before(s.quiet) {
		c.silence.since = s.quiet // what is in flight has begun since
	}
	if c.listenLocked(now, n, s.cfg.HealthCheck) && e.health.State == report.Healthy {
		e.doubtLocked(report.ReasonSilence)
	}
	if e.health.State == report.Unhealthy {
		s.closeIfDeadLocked(c, now, e.health.Reason)
	}
}

// listenLocked takes note of what has been heard on a connection, and tells whether
// its silence is a reason to doubt the endpoint.
func (c *conn) listenLocked(now time.Time, n report.CallStats, health healthcheck.Config) (doubt bool) {
	if n.Heard != c.silence.heard || c.alive.IsZero() {
		c.alive, c.retirement.fails = now, 0
	}
	c.silence, doubt = c.silence.next(silenceSample{at: now, heard: n.Heard, inFlight: n.InFlight}, health.Silence, health.Interval)
	return doubt
}
