package endpointset

import (
	"runtime"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/report"
)

// Calls only count; they never read a clock. Their silence is found by sampling the
// counts: several times in the time that a silence may last, but for thousands of
// endpoints only as often as a hundredth of a processor allows.
// sampler samples the connections. The set's lock guards it.
type sampler struct {
	set *Set

	samples bool               // the sampler runs, until Close
	sampled uint32             // the turn at the last sample
	busy    bool               // calls were in flight then
	quiet   time.Time          // the last sample at which none were
	resumed time.Time          // the last sample that was late: this process did not run before it
	retired map[*conn]struct{} // retired connections with calls in flight
	asking  int                // probes of those under way
}

const (
	samplesPerSilence = 4
	minSamplePause    = 10 * time.Millisecond
	pausePerWork      = 99
	// maxSamplePause bounds the pause that work causes: a sample may have taken long
	// because this process was stopped.
	maxSamplePause = 2 * time.Second
)

// start starts sampling the connections, if there is anything to sample.
func (x *sampler) start() {
	s := x.set
	if x.samples || s.scope.Closed() || len(s.list) == 0 || s.cfg.HealthCheck.Disabled {
		return
	}
	x.samples = true
	s.scope.Go(x.run)
}

func (x *sampler) run() {
	s := x.set
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		select {
		case <-s.scope.Context().Done():
			return
		case <-timer.C:
			runtime.Gosched() // queue behind the goroutines that read connections
			start := time.Now()
			s.room.Late(start.Sub(due))
			pause := x.look(start, start.Sub(due))
			pause = max(pause, min(pausePerWork*time.Since(start), maxSamplePause))
			due = start.Add(pause)
			s.room.Beat(due)
			timer.Reset(pause)
		}
	}
}

// look samples every connection, and returns the time until the next sample. late is
// how late this one is; if that is much, what was not received until now may only be
// unread. It skips the samples if there were no picks since the last one, no call was
// in flight then, and no endpoint is out: an idle client of many endpoints does almost
// no work.
func (x *sampler) look(now time.Time, late time.Duration) time.Duration {
	s := x.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if late > s.cfg.DeadAfter/scope.Lateness {
		x.resumed = now
	}
	turn := s.room.Turn()
	if turn != x.sampled || x.busy || s.counts[judge.Out] > 0 || len(s.handover.old) > 0 || len(x.retired) > 0 {
		x.sampled, x.busy = turn, false
		for e := range s.all() {
			e.sampleLocked(now)
		}
		x.lookAtRetired(now)
		s.books.unrecorded = true
	}
	if s.books.unrecorded && now.Sub(s.books.progressed) >= progressEvery {
		s.books.record(now)
	}
	if !x.busy {
		x.quiet = now
	}
	return max(s.cfg.HealthCheck.Silence/samplesPerSilence, minSamplePause)
}

// sampleLocked has the peer of the endpoint's connection asked at once if calls on the
// connection are silent. It closes the connection if that is dead; see
// closeIfDeadLocked.
func (e *endpoint) sampleLocked(now time.Time) {
	c, s := e.conn, e.set
	if c == nil || e.link.Phase() != machine.Ready || e.checker == nil {
		return
	}
	n := c.Counts()
	s.sampler.busy = s.sampler.busy || n.InFlight > 0
	if c.Silence.Since.Before(s.sampler.quiet) {
		c.Silence.Since = s.sampler.quiet // calls in flight have begun since then
	}
	most := s.cfg.HealthCheck.Interval
	if e.target == nil {
		most = healthcheck.MaxSetting // it is probed at intervals too
	}
	if c.listenLocked(now, n, s.cfg.HealthCheck.Silence, most) {
		e.askLocked()
	}
	if c.LastHeard.After(e.heardAt) {
		e.heardAt = c.LastHeard
	}
	switch {
	case c.state == judge.Dead:
		c.closeIfDeadLocked(now, c.why.Reason)
	case e.health.State == report.Unhealthy:
		c.closeIfDeadLocked(now, e.health.Reason)
	}
}
