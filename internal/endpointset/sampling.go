package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// Calls only count; they never read a clock. Their silence is found by sampling the
// counts: several times in the time that a silence may last, but for thousands of
// endpoints only as often as a hundredth of a processor allows.
// sampler samples the connections. Set.mu guards it.
type sampler struct {
	set *Set

	samples bool               // the sampler runs, until Close
	sampled uint32             // the turn at the last sample
	busy    bool               // calls were in flight then
	quiet   time.Time          // the last sample at which none were
	retired map[*conn]struct{} // retired connections with calls in flight
	asking  int                // probes of those under way
}

const (
	samplesPerSilence = 4
	minSamplePause    = 10 * time.Millisecond
	pausePerWork      = 99
)

// start starts sampling the connections, if there is anything to sample.
func (x *sampler) start() {
	s := x.set
	if x.samples || s.closed || len(s.list) == 0 || s.cfg.HealthCheck.Disabled {
		return
	}
	x.samples = true
	s.wg.Go(x.run)
}

func (x *sampler) run() {
	s := x.set
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
			start := time.Now()
			pause := x.look()
			timer.Reset(max(pause, pausePerWork*time.Since(start)))
		}
	}
}

// look samples every connection, and returns the time until the next sample. It skips
// the samples if there were no picks since the last one, no call was in flight then,
// and no endpoint is out: an idle client of many endpoints does almost no work.
func (x *sampler) look() time.Duration {
	s := x.set
	now := time.Now()
	s.mu.Lock()
	defer s.unlock()
	turn := s.room.Turn()
	if turn != x.sampled || x.busy || s.counts[judge.Out] > 0 || len(s.handover.old) > 0 || len(x.retired) > 0 {
		x.sampled, x.busy = turn, false
		for _, e := range s.list {
			e.sampleLocked(now)
		}
		for _, e := range s.handover.old {
			e.sampleLocked(now)
		}
		x.lookAtRetired(now)
		s.unrecorded = true
	}
	if s.unrecorded && now.Sub(s.progressed) >= progressEvery {
		s.recordProgressLocked(now)
	}
	if !x.busy {
		x.quiet = now
	}
	return max(s.cfg.HealthCheck.Silence/samplesPerSilence, minSamplePause)
}

// sampleLocked has the endpoint probed at once if its connection is silent. It closes
// the connection if it is dead: unhealthy, with nothing read from it and no probe
// answered for long.
func (e *endpoint) sampleLocked(now time.Time) {
	c, s := e.conn, e.set
	if c == nil || e.link.Phase != machine.Ready || e.checker == nil {
		return
	}
	n := c.Counts()
	if n.Heard != c.silence.Heard {
		e.heardAt = now
	}
	s.sampler.busy = s.sampler.busy || n.InFlight > 0
	if c.silence.Since.Before(s.sampler.quiet) {
		c.silence.Since = s.sampler.quiet // calls in flight have begun since then
	}
	if c.listenLocked(now, n, s.cfg.HealthCheck) && e.health.State == report.Healthy {
		e.doubtLocked(report.ReasonSilence)
	}
	if e.health.State == report.Unhealthy {
		c.closeIfDeadLocked(now, e.health.Reason)
	}
}

// listenLocked notes what was received on a connection, and reports whether its
// silence is a reason to doubt the endpoint.
func (c *conn) listenLocked(now time.Time, n report.CallStats, health healthcheck.Config) (doubt bool) {
	if n.Heard != c.silence.Heard || c.alive.IsZero() {
		c.alive, c.retirement.fails = now, 0
	}
	c.silence, doubt = c.silence.Next(machine.SilenceSample{At: now, Heard: n.Heard, InFlight: n.InFlight}, health.Silence, health.Interval)
	return doubt
}
