package checking

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

// busyLine is a Line that a test sets.
type busyLine struct {
	mu    sync.Mutex
	inUse bool
	stuck []time.Time
	why   report.Reason // of the last one
}

func (l *busyLine) Answers() uint64 { return 0 }

func (l *busyLine) Mark() func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.inUse
	}
}

func (l *busyLine) Stuck(why report.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = why
	l.stuck = append(l.stuck, time.Now())
}

func (l *busyLine) times() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stuck)
}

func TestACheckThatIsNotAnsweredOnALineInUseIsConfirmedElsewhere(t *testing.T) {
	const timeout = 300 * time.Millisecond
	healthy := []report.HealthState{report.Healthy}
	out := []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}
	for name, c := range map[string]struct {
		inUse bool
		fresh func(*script) // what a new connection shows
		want  []report.HealthState
		after time.Duration // of the last transition, since the last answer
		why   report.Reason // of the last probe
	}{
		"not in use": {
			false, func(*script) {}, out, time.Second + timeout + 100*time.Millisecond + timeout, report.ReasonProbeTimeout,
		},
		"in use, not answered elsewhere": {
			true, (*script).hang, out, time.Second + timeout + 4*timeout, report.ReasonProbeTimeout,
		},
		"in use, answered elsewhere": {true, func(*script) {}, healthy, 0, report.ReasonBusy},
		"in use, denied elsewhere": {
			true, func(s *script) { s.set(report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeDenied}) }, healthy, 0, report.ReasonBusy,
		},
		"in use, refused elsewhere": {
			true, func(s *script) { s.set(report.Verdict{Outcome: report.Failed, Reason: report.ReasonConnectFailed}) },
			out, time.Second + timeout + 4*timeout, report.ReasonConnectFailed,
		},
		"in use, not serving elsewhere": {
			true, func(s *script) { s.set(no) }, []report.HealthState{report.Healthy, report.Unhealthy}, time.Second + timeout + 4*timeout,
			report.ReasonNotServing,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check, fresh, l := &script{verdict: yes}, &script{verdict: yes}, &busyLine{inUse: c.inUse}
				c.fresh(fresh)
				r := start(t, Settings{Timeout: timeout}, Probes{Check: check, Fallback: fresh, Line: l})
				synctest.Wait()
				check.hang()
				hung := time.Now()
				time.Sleep(9 * time.Second)
				assert.Equal(t, c.want, r.states())
				if c.after > 0 {
					assert.Equal(t, c.after, r.history[len(r.history)-1].At.Sub(hung))
				}
				assert.Equal(t, c.why, r.Status().Probe.Reason)
				assert.Equal(t, c.inUse, fresh.count() > 0)
				assert.Zero(t, l.times())
				r.stop()
			})
		})
	}
}

func TestACheckThatIsAnsweredLateOnALineInUseCounts(t *testing.T) {
	for _, late := range []report.Verdict{yes, no} {
		synctest.Test(t, func(t *testing.T) {
			check, fresh := &script{verdict: yes}, &script{verdict: yes}
			r := start(t, Settings{Timeout: 300 * time.Millisecond}, Probes{Check: check, Fallback: fresh, Line: &busyLine{inUse: true}})
			synctest.Wait()
			check.set(late)
			check.mu.Lock()
			check.slow = time.Second
			check.mu.Unlock()
			time.Sleep(3 * time.Second)
			assert.Equal(t, late == no, r.Status().Health == report.Unhealthy)
			assert.Equal(t, late.Reason, r.Status().Probe.Reason)
			assert.Positive(t, fresh.count())
			r.stop()
		})
	}
}

func TestALineThatAnswersNoCheckForLongIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check, fresh, l := &script{verdict: yes}, &script{verdict: yes}, &busyLine{inUse: true}
		r := start(t, Settings{Timeout: 300 * time.Millisecond}, Probes{Check: check, Fallback: fresh, Line: l})
		synctest.Wait()
		check.hang()
		time.Sleep(8 * time.Second)
		check.set(yes)
		time.Sleep(3 * time.Second)
		assert.Zero(t, l.times(), "one was answered")
		check.hang()
		time.Sleep(15 * time.Second)
		assert.Equal(t, 1, l.times())
		time.Sleep(10 * time.Second)
		assert.Equal(t, 2, l.times())
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states(), "the server is well")
		r.stop()
	})
}

func TestALineWithoutAStreamLeftIsReportedAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check, fresh, l := &script{verdict: yes}, &script{verdict: yes}, &busyLine{inUse: true}
		r := start(t, Settings{}, Probes{Check: check, Fallback: fresh, Line: l})
		synctest.Wait()
		check.set(report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonNoStream})
		time.Sleep(15 * time.Second)
		assert.Equal(t, 1, l.times())
		assert.Equal(t, report.ReasonNoStream, l.why)
		assert.Equal(t, []report.HealthState{report.Healthy}, r.states())
		assert.Equal(t, report.ReasonNoStream, r.Status().Probe.Reason)
		fresh.hang()
		time.Sleep(4 * time.Second)
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states())
		r.stop()
	})
}

func TestAnIdleEndpointIsCheckedOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &script{verdict: yes}
		r := start(t, Settings{Idle: 24 * time.Hour}, Probes{Check: p})
		time.Sleep(time.Hour)
		assert.Equal(t, 1, p.count())
		p.hang()
		r.ProbeNow()
		time.Sleep(3 * time.Second)
		assert.Equal(t, []report.HealthState{report.Healthy, report.Suspect, report.Unhealthy}, r.states())
		p.set(yes)
		time.Sleep(3 * time.Second)
		assert.Equal(t, report.Healthy, r.Status().Health, "one that fails is checked at intervals")
		n := p.count()
		time.Sleep(time.Hour)
		assert.Equal(t, n, p.count())
		r.stop()
	})
}

func TestACheckThatIsAskedForIsMadeWhateverCallsShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, w := &script{verdict: yes}, newStream()
		r := start(t, Settings{}, Probes{Check: p, Watch: w})
		w.pushes <- yes
		synctest.Wait()
		r.answer()
		r.ProbeNow()
		synctest.Wait()
		assert.Equal(t, 1, p.count())
		r.stop()
	})
}

func TestTimersThatAreLateAreNoticed(t *testing.T) {
	l := observe(time.Hour)
	l.mu.Lock()
	l.due = time.Now().Add(-time.Minute) // as if the process had been stopped for a minute
	l.mu.Unlock()
	assert.GreaterOrEqual(t, l.stop(), time.Minute, "an overdue tick")
	assert.GreaterOrEqual(t, l.stop(), time.Minute)

	l = observe(time.Hour)
	l.mu.Lock()
	l.due = time.Now().Add(-time.Minute)
	l.mu.Unlock()
	l.tick()
	l.mu.Lock()
	assert.GreaterOrEqual(t, l.worst, time.Minute)
	assert.Positive(t, time.Until(l.due), "it goes on")
	l.mu.Unlock()
	l.stop()
	l.tick() // one that was under way
	runtime.Gosched()

	l = observe(time.Hour)
	assert.Less(t, l.stop(), time.Minute)
}

func TestATimeoutWhileThisProcessIsLateIsNoEvidence(t *testing.T) {
	hung := answer{Verdict: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout}}
	stalled := report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonClientStalled}
	const timeout, late = 300 * time.Millisecond, 100 * time.Millisecond
	r := new(run)
	assert.Equal(t, hung, r.unlessLate(hung, timeout/mostLate, timeout))
	assert.Equal(t, stalled, r.unlessLate(hung, late, timeout).Verdict)
	assert.Equal(t, hung, r.unlessLate(hung, late, r.patience), "the next one may take longer, and then counts")
	assert.Positive(t, r.patience)
	for _, v := range []report.Verdict{yes, no, {Outcome: report.Failed, Reason: report.ReasonProbeError}} {
		r.patience = 1
		assert.Equal(t, v, r.unlessLate(answer{Verdict: v}, time.Minute, timeout).Verdict, "an answer counts, however late this process is")
		assert.Zero(t, r.patience)
	}
	refused := answer{Verdict: report.Verdict{Outcome: report.Failed, Reason: report.ReasonConnectFailed}}
	assert.Equal(t, refused, r.unlessLate(refused, time.Minute, timeout))
}
