package faults

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// aReport has so many runs of a scenario, in which the peers lost the given
// numbers of calls.
func aReport(scenarioID string, failed ...map[string]int) *Report {
	r := &Report{options: Options{Seed: 42, Log: io.Discard}, machine: "a machine", versions: []string{"go1.x"}, took: time.Minute}
	for _, sc := range scenarios() {
		if sc.id != scenarioID {
			continue
		}
		for _, numbers := range failed {
			one := &run{scenario: sc, plan: sc.full, victim: "s1", busy: 0.5, ours: 0.4, marks: someMarks(), peers: map[string]measured{}}
			for id, n := range numbers {
				m := measured{
					calls: 1000, failed: n, lastFailed: float64(n) / 100, back: 0.25, p50: 0.005, p99: 0.5, p999: 1,
					share: 0.001, probes: 3, clientCPU: 0.03, failures: make([]int, 29),
				}
				m.failures[6] = n
				one.peers[id] = m
			}
			r.runs = append(r.runs, one)
		}
	}
	return r
}

// verdict returns what the report says of the claim that contains text.
func verdict(t *testing.T, r *Report, text string) check {
	t.Helper()
	for _, c := range r.checks() {
		if strings.Contains(c.claim, text) {
			return c
		}
	}
	require.Fail(t, "no claim", text)
	return check{}
}

func TestAClaimHoldsOnlyIfTheNumbersSaySo(t *testing.T) {
	good := aReport(idSIGKILL, map[string]int{idOurs: 0, idOursOnce: 2, idRRHealth: 1}, map[string]int{idOurs: 0, idOursOnce: 0, idRRHealth: 1})
	assert.Equal(t, check{claim: "sigkill, idempotent: 0 failed", shown: "0 (0)", holds: true}, verdict(t, good, "sigkill, idempotent"))
	c := verdict(t, good, "sigkill, not idempotent")
	assert.True(t, c.holds)
	assert.Equal(t, "2, grpc-go 2", c.shown, "sums over the runs")
	assert.True(t, verdict(t, good, "sigkill: back").holds)

	bad := aReport(idSIGKILL, map[string]int{idOurs: 0, idOursOnce: 2, idRRHealth: 1}, map[string]int{idOurs: 1, idOursOnce: 1, idRRHealth: 1})
	c = verdict(t, bad, "sigkill, idempotent")
	assert.False(t, c.holds, "the worst counts")
	assert.Equal(t, "0 (1)", strings.Replace(c.shown, "0.5", "0", 1))
	assert.False(t, verdict(t, bad, "sigkill, not idempotent").holds)
	m := bad.runs[0].peers[idOurs]
	m.back = math.Inf(1)
	bad.runs[0].peers[idOurs], bad.runs[1].peers[idOurs] = m, m
	c = verdict(t, bad, "sigkill: back")
	assert.False(t, c.holds)
	assert.Equal(t, "never (never) s", c.shown)
}

func TestTheLimitsOfTheAcceptanceAreHeldAgainstTheMedian(t *testing.T) {
	r := aReport(idAcceptDefaults, map[string]int{idOursOnce: 120}, map[string]int{idOursOnce: 129}, map[string]int{idOursOnce: 200})
	c := verdict(t, r, "The same, not idempotent")
	assert.True(t, c.holds)
	assert.Equal(t, "1.29 (2.00) s", c.shown)
	r = aReport(idAcceptFast, map[string]int{idOursFastOnce: 95})
	c = verdict(t, r, "at 0.2 s, not idempotent")
	assert.False(t, c.holds)
	assert.True(t, c.single)
}

func TestAHalfDeadServerMustGetLessThanOnePerCentInEveryRun(t *testing.T) {
	r := aReport(idFail, map[string]int{idOurs: 0}, map[string]int{idOurs: 0})
	assert.True(t, verdict(t, r, "fail, defaults, calls declared idempotent").holds)
	m := r.runs[1].peers[idOurs]
	m.share = 0.01
	r.runs[1].peers[idOurs] = m
	c := verdict(t, r, "fail, defaults, calls declared idempotent")
	assert.False(t, c.holds)
	assert.Contains(t, c.shown, "(1.00) %")
}

func TestTheRatioOfLatenciesIsTakenWithinRuns(t *testing.T) {
	var runs []map[string]int
	for range 6 {
		runs = append(runs, map[string]int{idOurs: 0, idRRHealth: 0})
	}
	r := aReport(idLatency, runs...)
	for i, one := range r.runs {
		m := one.peers[idOurs]
		m.p50 = 0.005 * (1.06 + float64(i)/100)
		one.peers[idOurs] = m
	}
	c := verdict(t, r, "p50, defaults, calls declared idempotent")
	assert.False(t, c.holds, "1.085, and even the interval lies above 1.05")
	assert.Equal(t, "1.085, 95 % interval 1.060 to 1.110", c.shown)
	m := r.runs[3].peers[idOurs]
	m.p50 = 0.005
	r.runs[3].peers[idOurs] = m
	assert.True(t, verdict(t, r, "p50, defaults, calls declared idempotent").holds, "the interval holds 1.05")
	assert.Contains(t, r.text(""), "| `ours` ")
}

func TestTheDocumentSaysHowItWasMeasuredAndWhatWasNot(t *testing.T) {
	r := aReport(idSIGSTOP, map[string]int{idOurs: 0, idRR: 500}, map[string]int{idOurs: 0, idRR: 510})
	r.skip("peer nginx", os.ErrNotExist)
	r.skip("peer nginx", os.ErrNotExist)
	folder := t.TempDir()
	require.NoError(t, r.WriteDocs(folder))
	text, err := os.ReadFile(filepath.Join(folder, "faults.md"))
	require.NoError(t, err)
	for _, want := range []string{
		"](faults.svg)", "`-seed 42`", "a machine", "go1.x", "## Claims", "2 runs, median (worst)",
		"| `rr` ", "505 (510)", "50 (50) % busy",
	} {
		assert.Contains(t, string(text), want)
	}
	assert.Equal(t, 1, strings.Count(string(text), "Skipped: peer nginx: file does not exist."))
	assert.NotContains(t, string(text), "haproxy-tuned", "only peers that were measured")
	brief, err := os.ReadFile(filepath.Join(folder, "faults-brief.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(brief), ">ours</text>")
	assert.NotContains(t, string(brief), ">rr</text>", "only the peers of the small plot")
	svg, err := os.ReadFile(filepath.Join(folder, "faults.svg"))
	require.NoError(t, err)
	wellFormed(t, string(svg))
	assert.Contains(t, string(svg), "<title>ours</title>")

	var printed strings.Builder
	require.NoError(t, r.WriteTables(&printed))
	assert.NotContains(t, printed.String(), "faults.svg")
	assert.Contains(t, printed.String(), "505 (510)")
}

func TestValuesAreRecordsOfAllThatIsANumber(t *testing.T) {
	r := aReport(idSIGKILL, map[string]int{idOurs: 3}, map[string]int{idOurs: 4, idRR: 5})
	m := r.runs[0].peers[idOurs]
	m.back, m.share = math.Inf(1), math.NaN()
	r.runs[0].peers[idOurs] = m
	perMetric := map[string]int{}
	for _, v := range r.Values() {
		assert.False(t, math.IsNaN(v.Value) || math.IsInf(v.Value, 0), v.Metric)
		assert.Equal(t, idSIGKILL, v.Scenario)
		assert.Equal(t, 3, v.Servers)
		perMetric[v.Metric]++
		if v.Metric == "not back in rotation" && v.Run == 0 {
			assert.InDelta(t, 1, v.Value, 0)
		}
	}
	assert.Equal(t, 3, perMetric["calls failed"])
	assert.Equal(t, 2, perMetric["healed to back in rotation"])
	assert.Equal(t, 2, perMetric["share of calls at the struck server"])
	assert.Equal(t, []Scenario{{ID: idSIGKILL, Title: "One of three is killed: SIGKILL, then started again", Peers: []string{idOurs, idRR}}}, r.Scenarios())
}

func TestATableIsMarkdownWithColumnsThatLineUp(t *testing.T) {
	assert.Equal(t, "| a   | b |\n|-----|---|\n| –   | 2 |\n| µµµ | 3 |\n", table([][]string{{"a", "b"}, {"–", "2"}, {"µµµ", "3"}}))
}

func TestDurationsAreSpeltInTheirUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 5 * time.Millisecond: "5 ms", 1500 * time.Millisecond: "1.5 s", 3 * time.Minute: "180 s",
	} {
		assert.Equal(t, want, spell(d))
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for in := xml.NewDecoder(strings.NewReader(svg)); ; {
		_, err := in.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestAPlotIsWellFormedWhateverItsTexts(t *testing.T) {
	nasty := `</text><script>"&'` + "\x00"
	svg := drawSVG([]panel{{
		title: nasty, from: -1, to: 5, healed: 3, most: 10,
		lines: []line{{label: idOurs, style: styleOf(idOurs), points: [][2]float64{{-1, 0}, {5, 10}}}},
	}, {title: "never healed, nothing failed", from: -1, to: 5, healed: math.NaN()}})
	wellFormed(t, svg)
	assert.NotContains(t, svg, "<script>")
	assert.Equal(t, 2, strings.Count(svg, "<g "))
	assert.NotContains(t, svg, "NaN")
	assert.NotContains(t, svg, ">-0<")
}

func TestPeersOfOneFamilyHaveOneColourAndDifferentDashes(t *testing.T) {
	seen := map[style]string{}
	for _, p := range peers {
		st := styleOf(p.id)
		assert.Equal(t, familyColor[p.family], st.color)
		assert.Empty(t, seen[st], p.id)
		seen[st] = p.id
	}
}

func TestALineIsTheMeanOfTheRunsSoFar(t *testing.T) {
	r := aReport(idSIGSTOP, map[string]int{idRR: 10}, map[string]int{idRR: 20})
	r.runs[1].peers[idRR].failures[7] = 6
	points := meanSoFar(r.runs, idRR)
	require.Len(t, points, 30)
	assert.Equal(t, [2]float64{-1, 0}, points[0])
	assert.Equal(t, [2]float64{0.75, 15}, points[7], "the seventh bucket ends 0.75 s after the fault")
	assert.Equal(t, [2]float64{1, 18}, points[8])
	assert.Equal(t, [2]float64{6.25, 18}, points[29])
	p := r.panel(idSIGSTOP, "x")
	assert.InDelta(t, 18, p.most, 0)
	assert.InDelta(t, 3, p.healed, 1e-9)
}

func TestTicksAreRoundNumbersWithinTheirRange(t *testing.T) {
	assert.InDeltaSlice(t, []float64{0, 20, 40, 60, 80, 100}, ticks(0, 100, 5), 1e-9)
	assert.InDeltaSlice(t, []float64{-1, 0, 1, 2, 3}, ticks(-1, 3.5, 5), 1e-9)
	assert.Empty(t, ticks(1, 1, 5))
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(-1e6, 1e6).Draw(t, "low")
		high := low + rapid.Float64Range(1e-3, 1e6).Draw(t, "size")
		n := rapid.IntRange(1, 20).Draw(t, "n")
		got := ticks(low, high, n)
		assert.LessOrEqual(t, len(got), n+1)
		for _, v := range got {
			assert.GreaterOrEqual(t, v, low-1e-6)
			assert.LessOrEqual(t, v, high+1e-3)
		}
	})
}

func TestAProxysConfigNamesEveryServer(t *testing.T) {
	s := proxySettings{
		ID: "me", Listen: "127.0.0.1:1", Folder: "/tmp/x", Check: "505249",
		Servers: []proxiedServer{{"s1", "10.0.0.1:7000", "7001"}, {"s2", "10.0.0.2:7000", "7001"}},
	}
	for _, p := range peers {
		if p.proxy == "" {
			continue
		}
		text, err := renderProxy(p.proxy, s)
		require.NoError(t, err, p.id)
		for _, want := range []string{"127.0.0.1:1", "10.0.0.1:7000", "10.0.0.2:7000"} {
			assert.Contains(t, string(text), want, p.id)
		}
		assert.NotContains(t, string(text), "{{", p.id)
	}
	_, err := renderProxy("nobody.conf", s)
	assert.Error(t, err)
}
