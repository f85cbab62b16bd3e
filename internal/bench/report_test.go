package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testBench(seed uint64) *bench {
	return &bench{sizes: tinySizes(), rng: rand.New(rand.NewPCG(seed, 0)), results: newResults("test"), log: io.Discard}
}

// twoPolicies are results of a and b, in which b is twice, four and eight times
// as slow as a, and has no value in repetition 3.
func twoPolicies() (*results, metric) {
	m := metric{name: "time", unit: seconds}
	r := newResults("test")
	r.sections = []section{{
		id: "part", title: "a part", baselines: []string{"a"}, policies: []policy{{label: "a"}, {label: "b"}},
	}}
	for rep, v := range []float64{4, 1, 2, 1} {
		r.add(point{section: "part", n: 3, metric: m, policy: "a"}, rep, v)
	}
	for rep, v := range []float64{8, 4, 16} {
		r.add(point{section: "part", n: 3, metric: m, policy: "b"}, rep, v)
	}
	return r, m
}

func TestARatioIsTakenWithinARepetition(t *testing.T) {
	r, m := twoPolicies()
	b := point{section: "part", n: 3, metric: m, policy: "b"}
	assert.ElementsMatch(t, []float64{2, 4, 8}, r.ratios(b, "a"))
	a := b
	a.policy = "a"
	assert.Empty(t, r.ratios(a, "a"), "not of the baseline itself")
	assert.Empty(t, r.ratios(b, "nobody"))

	r.add(a, 0, 0)
	assert.ElementsMatch(t, []float64{4, 8}, r.ratios(b, "a"), "nothing is divided by zero")
	m.plain = true
	b.metric, a.metric = m, m
	r.add(a, 0, 1)
	r.add(b, 0, 1)
	assert.Empty(t, r.ratios(b, "a"), "not where it would say nothing")
}

func TestATableHasALineForEachPolicyAndTheRatiosLast(t *testing.T) {
	r, _ := twoPolicies()
	var out strings.Builder
	require.NoError(t, r.writeTables(&out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 4)
	assert.Equal(t, "test: a part", lines[0])
	assert.Regexp(t, `^n +metric +policy +median +\[min .. max] +÷ a$`, lines[1])
	assert.Regexp(t, `^3 +time +a +1\.50 s +\[1\.00 s .. 4\.00 s]$`, lines[2])
	assert.Regexp(t, `^3 +time +b +8\.00 s +\[4\.00 s .. 16\.00 s] +4\.00 \[2\.00 .. 8\.00]$`, lines[3])
}

func TestJSONHasOneObjectALineAndTheRatiosBesideTheirValue(t *testing.T) {
	r, _ := twoPolicies()
	var out strings.Builder
	require.NoError(t, r.writeJSON(&out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	assert.JSONEq(t, `{"suite":"test","case":"part","policy":"a","n":3,"metric":"time","unit":"s",
		"median":1.5,"min":1,"max":4,"reps":4}`, lines[0])
	assert.JSONEq(t, `{"suite":"test","case":"part","policy":"b","n":3,"metric":"time","unit":"s",
		"median":8,"min":4,"max":16,"reps":3}`, lines[1])
	assert.JSONEq(t, `{"suite":"test","case":"part","policy":"b","over":"a","n":3,"metric":"time","unit":"ratio",
		"median":4,"min":2,"max":8,"reps":3}`, lines[2])
}

func TestLinesStandInTheOrderOfSizesThreadsMetricsAndPolicies(t *testing.T) {
	first, second := metric{name: "first", unit: count}, metric{name: "second", unit: count}
	r := newResults("test")
	s := section{id: "s", policies: []policy{{label: "x"}, {label: "y"}}}
	want := []point{
		{"s", 3, 1, first, "x"}, {"s", 3, 1, first, "y"}, {"s", 3, 1, second, "x"},
		{"s", 3, 2, first, "x"}, {"s", 10, 1, first, "x"},
	}
	r.add(want[0], 0, 1) // the metrics in their order
	for _, p := range slices.Backward(want[1:]) {
		r.add(p, 0, 1)
	}
	r.add(point{"other", 1, 1, first, "x"}, 0, 1)
	assert.Equal(t, want, r.points(s))
}

func TestValuesArePrintedInUnitsThatFitTheirSize(t *testing.T) {
	for want, c := range map[string]struct {
		unit  unit
		value float64
	}{
		"12.3 ns": {nanoseconds, 12.34}, "50.0 µs": {seconds, 50e-6}, "1.50 ms": {seconds, 1.5e-3}, "2.00 s": {seconds, 2},
		"512 B": {bytes, 512}, "1.5 KiB": {bytes, 1536}, "2.0 MiB": {bytes, 2 << 20}, "3.35 GiB": {bytes, 3.35 * (1 << 30)},
		"7": {count, 7}, "0.25": {count, 0.25},
	} {
		assert.Equal(t, want, c.unit.format(c.value))
	}
}

func TestInterleavingRunsEachPolicyOnceARepetitionInAnOrderOfTheSeed(t *testing.T) {
	order := func(seed uint64) (out []string) {
		b := testBench(seed)
		b.reps = 4
		require.NoError(t, b.interleave(context.Background(), "test", references, func(rep int, p policy) error {
			assert.Equal(t, len(out)/len(references), rep)
			out = append(out, p.label)
			return nil
		}))
		return out
	}
	got := order(1)
	assert.Equal(t, got, order(1), "the same seed, the same order")
	assert.NotEqual(t, got, order(2))
	for rep := range 4 {
		var round []string
		for _, p := range references {
			round = append(round, p.label)
		}
		assert.ElementsMatch(t, round, got[rep*len(references):(rep+1)*len(references)])
	}
}

func TestAFailedMeasurementEndsTheSuiteAndNamesThePolicy(t *testing.T) {
	boom := errors.New("boom")
	err := testBench(1).interleave(context.Background(), "test, n=3", []policy{baseStyle}, func(int, policy) error { return boom })
	require.ErrorIs(t, err, boom)
	assert.EqualError(t, err, "test, n=3: base: boom")
}
