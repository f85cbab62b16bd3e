package healthcheck

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

// sleepsAnHour is code of the program that ignores its context and returns after an hour.
func sleepsAnHour() { time.Sleep(time.Hour) }

// slowClosing is a probe whose Close hangs.
type slowClosing struct{ script }

func (*slowClosing) Close() error { sleepsAnHour(); return nil }

// closedWithin closes m, asserts that this takes at most a second, and returns the
// error.
func closedWithin(t *testing.T, m *Monitor) error {
	t.Helper()
	start := time.Now()
	err := m.Close()
	assert.LessOrEqual(t, time.Since(start), time.Second)
	return err
}

func TestAFunctionThatHangsStopsNoProbesAndIsLeftByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &script{verdict: yes}, &script{verdict: yes}
		var calls, others atomic.Int32
		m, err := NewMonitor(Config{}, []Target{{Name: "a", Probes: Probes{Check: a}}, {Name: "b", Probes: Probes{Check: b}}},
			func(tr report.HealthTransition) {
				if tr.Target != "a" {
					others.Add(1)
					return
				}
				calls.Add(1)
				sleepsAnHour()
			})
		require.NoError(t, err)
		for i := range 4 {
			time.Sleep(10 * time.Second)
			want := report.Unhealthy
			if i%2 == 0 {
				a.set(no)
				b.set(no)
			} else {
				want = report.Healthy
				a.set(yes)
				b.set(yes)
			}
			time.Sleep(10 * time.Second)
			assert.Equal(t, want, m.Status()[0].Health, "probes go on")
		}
		assert.Equal(t, int32(1), calls.Load(), "the first call has not returned")
		assert.Equal(t, int32(5), others.Load())
		err = closedWithin(t, m)
		require.ErrorContains(t, err, `healthcheck: closed, although code of the program has not returned: `+
			`the function that is called for each change of "a"`)
		assert.NotContains(t, err.Error(), `"b"`)
		time.Sleep(2 * time.Hour)
		assert.Equal(t, int32(1), calls.Load(), "none is called after Close")
	})
}

func TestAFunctionThatReturnsLateGetsTheNewestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, release := &script{verdict: yes}, make(chan struct{})
		var seen []report.HealthState
		m, err := NewMonitor(Config{Interval: 10 * time.Millisecond, SuspectInterval: 10 * time.Millisecond, Rise: 1, Fall: 1},
			[]Target{{Name: "a", Probes: Probes{Check: p}}}, func(tr report.HealthTransition) {
				<-release
				seen = append(seen, tr.To)
			})
		require.NoError(t, err)
		for range 600 {
			p.set(no)
			time.Sleep(20 * time.Millisecond)
			p.set(yes)
			time.Sleep(20 * time.Millisecond)
		}
		p.set(no)
		time.Sleep(time.Second)
		close(release)
		synctest.Wait()
		assert.NoError(t, closedWithin(t, m))
		assert.Len(t, seen, 1+keptTransitions)
		assert.Equal(t, report.Unhealthy, seen[len(seen)-1])
	})
}

func TestProbesThatHangAreLeftByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &closing{script: script{verdict: yes}}
		m, err := NewMonitor(Config{}, []Target{
			{Name: "a", Probes: Probes{Check: Func("x", func(context.Context) report.Verdict { sleepsAnHour(); return yes })}},
			{Name: "b", Probes: Probes{Check: &slowClosing{script{verdict: yes}}}},
			{Name: "c", Probes: Probes{Check: good}},
		}, nil)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		s := m.Status()
		assert.Equal(t, report.Unhealthy, s[0].Health)
		assert.Equal(t, report.ReasonProbeTimeout, s[0].Reason)
		assert.Equal(t, report.Healthy, s[2].Health)
		err = closedWithin(t, m)
		assert.ErrorContains(t, err, `a probe of "a", the closing of the probes of "b"`)
		assert.Equal(t, 1, good.closed)
		time.Sleep(2 * time.Hour)
	})
}

func TestAFunctionMayCloseItsMonitorAndMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *Monitor
		made, closed := make(chan struct{}), make(chan error, 1)
		var err error
		m, err = NewMonitor(Config{}, []Target{{Name: "a", Probes: Probes{Check: &script{verdict: yes}}}}, func(report.HealthTransition) {
			<-made
			closed <- closedWithin(t, m)
			panic(errors.New("no"))
		})
		require.NoError(t, err)
		close(made)
		assert.ErrorContains(t, <-closed, `the function that is called for each change of "a"`)
		assert.NoError(t, m.Close())
	})
}

// broken is a probe with methods that all panic if it is nil.
type broken struct{ kind string }

func (b *broken) Probe(context.Context) report.Verdict {
	return report.Verdict{Outcome: report.Serving, Detail: b.kind}
}
func (b *broken) Kind() report.ProbeKind { return report.ProbeKind(b.kind) }
func (b *broken) Target() string         { return "" }

func TestAProbeWhoseMethodsPanicHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMonitor(Config{}, []Target{{Name: "a", Probes: Probes{Check: (*broken)(nil)}}}, nil)
		require.NoError(t, err)
		time.Sleep(time.Second)
		s := m.Status()[0]
		assert.Equal(t, report.Unhealthy, s.Health, "%+v", s)
		assert.Equal(t, report.ReasonProbeError, s.Reason)
		require.NoError(t, m.Close())
	})
}
