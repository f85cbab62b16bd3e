package healthcheck

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/report"
)

var (
	yes = report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing}
	no  = report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing}
)

// script is a Probe that returns scripted answers.
type script struct {
	mu      sync.Mutex
	verdict report.Verdict
}

func (s *script) set(v report.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict = v
}

func (s *script) Probe(context.Context) report.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verdict
}

func (*script) Kind() report.ProbeKind { return report.KindFunc }
func (*script) Target() string         { return "script" }

func TestMonitorWatchesTargetsThatKnowNothingOfGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := &script{verdict: yes}, &script{verdict: no}
		var mu sync.Mutex
		var seen []string
		m, err := NewMonitor(Config{}, []Target{
			{Name: "database", Probes: Probes{Check: up}},
			{Name: "ledger", Probes: Probes{Check: down}},
		}, func(tr report.HealthTransition) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, tr.Target+" "+string(tr.To))
		})
		require.NoError(t, err)
		defer func() { assert.NoError(t, m.Close()) }()
		synctest.Wait()
		s := m.Status()
		require.Len(t, s, 2)
		assert.Equal(t, "database", s[0].Name)
		assert.Equal(t, report.Healthy, s[0].Health)
		assert.Equal(t, "script", s[0].Probe.Target)
		assert.Equal(t, report.Unhealthy, s[1].Health)

		up.set(no)
		down.set(yes)
		time.Sleep(3 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		assert.ElementsMatch(t, []string{"database healthy", "ledger unhealthy", "database unhealthy", "ledger healthy"}, seen)
	})
}

// closing is a probe that holds something of its own.
type closing struct {
	script
	closed int
	err    error
}

func (c *closing) Close() error { c.closed++; return c.err }

func TestMonitorClosesItsProbesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		p := &closing{script: script{verdict: yes}, err: broken}
		m, err := NewMonitor(Config{}, []Target{{Name: "a", Probes: Probes{Check: p}}}, nil)
		require.NoError(t, err)
		assert.ErrorIs(t, m.Close(), broken)
		assert.NoError(t, m.Close())
		assert.Equal(t, 1, p.closed)
	})
}

func TestMonitorRefusesBadTargetsAndStartsNothing(t *testing.T) {
	p := Probes{Check: Func("x", func(context.Context) report.Verdict {
		t.Error("a probe was made")
		return report.Verdict{}
	})}
	for want, targets := range map[string][]Target{
		"targets: empty list":              nil,
		"targets[0].name: empty":           {{Probes: p}},
		`targets[1].name "a": the name of`: {{Name: "a", Probes: p}, {Name: "a", Probes: p}},
		`targets[0] "a": no Check probe`:   {{Name: "a"}},
	} {
		_, err := NewMonitor(Config{}, targets, nil)
		assert.ErrorContains(t, err, want)
	}
	_, err := NewMonitor(Config{Rise: -1}, []Target{{Name: "a", Probes: p}}, nil)
	assert.ErrorContains(t, err, "rise")
}
