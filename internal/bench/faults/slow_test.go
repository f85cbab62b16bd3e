package faults

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aSlowReport has one run of each scenario in which the peers showed what is given.
func aSlowReport(shown map[string]map[string]measured) *Report {
	r := &Report{options: Options{Suite: Slow, Seed: 42}, machine: "a machine", versions: []string{"go1.x"}, took: time.Minute}
	m, _ := aFailover()
	for id, peers := range shown {
		sc := Slow.byID(id)
		one := &run{scenario: sc, plan: sc.full, victim: "s1", busy: 0.5, ours: 0.4, marks: m, peers: map[string]measured{}}
		for peer, x := range peers {
			x.failures = make([]int, 200)
			one.peers[peer] = x
		}
		r.runs = append(r.runs, one)
	}
	return r
}

func TestClaimsAboutSlowServersHoldOnlyIfTheMeasurementsSaySo(t *testing.T) {
	shown := func(failed int, extra, p99 float64) map[string]map[string]measured {
		calm := measured{calls: 1000, p50: 0.010, p99: 0.020, extra: extra, back: math.NaN(), share: math.NaN()}
		return map[string]map[string]measured{
			idLinkerd: {idOursLeast: {calls: 100_000, failed: 10 * failed}, idOursLeastHedged: {calls: 100_000, failed: failed}},
			idCalm:    {idOurs: calm, idOursHedged: calm, idOursLeast: calm, idOursLeastHedged: calm},
			idMiddle:  {idOursLeast: {calls: 1000, p99: p99}, idOursLeastHedged: {calls: 1000, p99: p99}},
			idStorm:   {idOursHedged: {calls: 1000, extra: 5 * extra}, idOursLeastHedged: {calls: 1000, extra: 5 * extra}},
		}
	}
	good := aSlowReport(shown(10, 0.03, 0.030)).checks()
	require.Len(t, good, 9)
	for _, c := range good {
		assert.True(t, c.holds, "%+v", c)
		assert.True(t, c.single)
	}
	for _, c := range aSlowReport(shown(11, 0.031, 0.031)).checks() {
		if c.shown != "1.000 (1.000 to 1.000 in 1 runs, too few for an interval)" { // p50
			assert.False(t, c.holds, "%+v", c)
		}
	}
}

func TestTheDocumentOfSlowServersHasSuccessAndExtraLoad(t *testing.T) {
	text := aSlowReport(map[string]map[string]measured{
		idLinkerd: {idOursLeast: {calls: 1000, failed: 1, extra: 0.0123, share: 0.005, back: 3}, idRR: {calls: 1000, failed: 50}},
	}).text("slow.svg")
	assert.Contains(t, text, "# Slow\n")
	assert.Contains(t, text, "99.900")
	assert.Contains(t, text, "95.000")
	assert.Contains(t, text, "1.23")
	assert.Contains(t, text, "ORCA")
	assert.NotContains(t, text, "NaN")
}

func TestAServerReportsItsLoad(t *testing.T) {
	var l loaded
	now := time.Unix(1000, 0)
	for range 100 {
		l.rate(now)
	}
	assert.InDelta(t, 50, l.rate(now.Add(2*time.Second)), 1)
	assert.InDelta(t, 50, l.rate(now.Add(2500*time.Millisecond)), 1)
	assert.NotPanics(t, func() { new(server).report(t.Context())() }, "it does not report")
}
