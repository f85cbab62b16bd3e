package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/bench/faults"
	"github.com/cantonlb/cantonlb/internal/bench/leases"
)

// TestMain lets the processes that the suites start be what they are to be.
func TestMain(m *testing.M) {
	if code, is := serveCounting(); is {
		os.Exit(code)
	}
	if code, is := faults.Child(); is {
		os.Exit(code)
	}
	if code, is := leases.Child(); is {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

func TestNoArgumentsMeanAllSuitesAtFullSizeWithARandomSeed(t *testing.T) {
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "pick, scale, flip, overhead, faults, failover, slow", names(o.suites))
	assert.Equal(t, fullSizes(), o.sizes)
	assert.Equal(t, 5, o.reps)
	other, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.NotEqual(t, o.seed, other.seed)
}

func TestFlagsMayStandBeforeBetweenAndAfterSuites(t *testing.T) {
	o, err := parse([]string{"-short", "flip", "-json", "pick", "-reps", "7", "-seed=0"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "flip, pick", names(o.suites))
	want := shortSizes()
	want.reps = 7
	assert.Equal(t, want, o.sizes)
	assert.True(t, o.json)
	assert.Zero(t, o.seed, "a seed that is given is taken, even 0")
}

func TestBadArgumentsAreErrorsThatNameTheValueAndWhatIsRight(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"pik"}, `suite "pik": want one of pick, scale, flip, overhead, faults, failover, slow, soak, probes`},
		{[]string{"pick", "pick"}, `suite "pick": given twice, want it once`},
		{[]string{"-reps", "0"}, "reps 0: want a whole number from 1 to 1000"},
		{[]string{"-reps", "-3"}, "reps -3: want a whole number from 1 to 1000"},
		{[]string{"-reps", "1001"}, "reps 1001: want a whole number from 1 to 1000"},
		{[]string{"-reps", "many"}, "many"},
		{[]string{"-seed", "-1"}, "-1"},
		{[]string{"-fast"}, "-fast"},
	} {
		var out, errs strings.Builder
		assert.Equal(t, exitUsage, run(context.Background(), c.args, &out, &errs), "%q", c.args)
		assert.Contains(t, errs.String(), c.want)
		assert.Empty(t, out.String(), "nothing is measured")
	}
}

func TestHelpNamesTheSuitesAndIsNoError(t *testing.T) {
	var errs strings.Builder
	assert.Equal(t, exitOK, run(context.Background(), []string{"-h"}, io.Discard, &errs))
	assert.Contains(t, errs.String(), "pick, scale, flip, overhead, faults")
	assert.Contains(t, errs.String(), "-reps")
}

func TestAnInterruptEndsTheRunWithWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs strings.Builder
	assert.Equal(t, exitInterrupted, run(ctx, []string{"-short"}, &out, &errs))
	assert.Contains(t, out.String(), "nothing measured")
	assert.Contains(t, errs.String(), "suite pick was interrupted")
	assert.NotContains(t, errs.String(), "suite scale")
}

func names(list []suite) string {
	var out []string
	for _, s := range list {
		out = append(out, s.name)
	}
	return strings.Join(out, ", ")
}

// tinySizes are just enough to run all of a suite's code.
func tinySizes() sizes {
	return sizes{
		reps:      2,
		pickSizes: []int{30}, threads: []int{1, 2}, pickFor: 2 * time.Millisecond,
		scaleSizes: []int{5}, flipFor: 2 * time.Millisecond, flipPaced: 1,
		probesAfter: 10 * time.Millisecond, probesFor: 20 * time.Millisecond, probesMany: []int{5},
		flips: 2, window: 5 * time.Millisecond,
	}
}

// smoke runs a suite and returns what it printed as JSON.
func smoke(t *testing.T, name string) []record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o, err := parse([]string{name, "-json", "-seed", "1"}, io.Discard)
	require.NoError(t, err)
	o.sizes = tinySizes()
	var out, errs strings.Builder
	require.Equal(t, exitOK, measure(ctx, o, &out, &errs), "%s%s", out.String(), errs.String())

	var records []record
	for line := range strings.Lines(out.String()) {
		var rec record
		require.NoError(t, json.Unmarshal([]byte(line), &rec), line)
		assert.Equal(t, name, rec.Suite)
		if rec.Over == "" { // a ratio may lack a repetition, in which its baseline was 0
			assert.Equal(t, 2, rec.Reps, line)
		}
		assert.LessOrEqual(t, rec.Min, rec.Median, line)
		assert.LessOrEqual(t, rec.Median, rec.Max, line)
		records = append(records, rec)
	}
	return records
}

// policiesWith returns the labels of the policies that have a value of the metric
// in the section, ratios left out.
func policiesWith(records []record, section string, m metric) []string {
	seen := map[string]bool{}
	var out []string
	for _, rec := range records {
		if rec.Case == section && rec.Metric == m.name && rec.Over == "" && !seen[rec.Policy] {
			seen[rec.Policy] = true
			out = append(out, rec.Policy)
		}
	}
	return out
}

func TestThePickSuiteMeasuresEveryPolicyOursWithoutAllocation(t *testing.T) {
	records := smoke(t, "pick")
	assert.Equal(t, []string{
		ours.label, oursUnprobed.label, oursLeastLoaded.label, roundRobin.label, outlier.label, weighted.label, leastRequest.label, baseStyle.label,
		"reference: random", "reference: turn striped", "reference: accounts", "reference: accounts, all striped",
	}, policiesWith(records, "pick", metricPick))
	ratios := 0
	for _, rec := range records {
		if rec.Over != "" {
			ratios++
		}
		if rec.Metric == metricPick.name {
			assert.Positive(t, rec.Min)
		}
		allocates := []string{outlier.label, weighted.label, leastRequest.label, ours.label, oursLeastLoaded.label}
		if rec.Metric == metricAllocs.name && !slices.Contains(allocates, rec.Policy) {
			// Nor must what it is compared with. Of ours with probes only the
			// median of a full run says it: the probes allocate meanwhile.
			assert.Less(t, rec.Min, 0.5, "a pick must not allocate")
		}
		if rec.Metric == metricAllocs.name && rec.Policy == outlier.label {
			assert.GreaterOrEqual(t, rec.Min, 1.0, "outlier detection that keeps accounts allocates")
		}
	}
	assert.Equal(t, 2*2*2*11, ratios, "of two times, by 2 numbers of threads, over 2 baselines")
}

func TestTheScaleSuiteMeasuresEveryPolicyInEverySection(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	records := smoke(t, "scale")
	for _, m := range []metric{metricWall, metricCPU, metricAllocated, metricUpdates, metricHeap, metricGoroutines} {
		assert.Equal(t, []string{oursUnprobed.label, roundRobin.label, outlier.label, weighted.label, baseStyle.label, connectOnlyReference.label},
			policiesWith(records, "connect", m), m.name)
		assert.Equal(t, []string{ours.label, roundRobinHealth.label, outlierHealth.label, weightedHealth.label},
			policiesWith(records, "eligible", m), m.name)
	}
	for _, m := range []metric{metricPairCPU, metricPairWall, metricPairAlloc, metricPairSent, metricDown, metricUp} {
		assert.Equal(t, []string{oursFlip.label, roundRobinHealth.label, outlierHealth.label, weightedHealth.label},
			policiesWith(records, "flip", m), m.name)
	}
	for _, rec := range records {
		if rec.Metric == metricPairSent.name {
			assert.InDelta(t, 2, rec.Median, 0, "%s publishes one picker for each flip, or the times are those of another", rec.Policy)
		}
	}
}

func TestTheFlipSuiteFailsNoCallAndSeesTheServerLeft(t *testing.T) {
	records := smoke(t, "flip")
	assert.Equal(t, []string{oursRise1.label, roundRobinHealth.label}, policiesWith(records, "flip", metricLateP99))
	for _, rec := range records {
		if rec.Metric == metricFailed.name {
			assert.Zero(t, rec.Max, rec.Policy)
		}
		if rec.Metric == metricCalls.name {
			assert.Positive(t, rec.Min, rec.Policy)
		}
	}
}

func TestAPolicyThatIsNotRegisteredIsReportedAsMissing(t *testing.T) {
	b := testBench(1)
	nobody := policy{label: "nobody", name: "bench_nobody"}
	measured := 0
	require.NoError(t, b.interleave(context.Background(), "test", []policy{nobody, baseStyle}, func(int, policy) error {
		measured++
		return nil
	}))
	assert.Equal(t, b.reps, measured)
	var table, lines strings.Builder
	require.NoError(t, b.results.writeTables(&table))
	require.NoError(t, b.results.writeJSON(&lines))
	assert.Contains(t, table.String(), "MISSING: nobody")
	assert.JSONEq(t, `{"suite":"test","policy":"nobody","missing":true,"median":0,"min":0,"max":0,"reps":0}`, lines.String())
}

func TestTheFlagsOfTheSuiteFaultsAreItsOwn(t *testing.T) {
	o, err := parse([]string{"faults", "-fault", "sigstop,drop", "-peer=ours,rr", "-write", "docs", "-seed", "7", "-short"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, faultOptions{Options: faults.Options{
		Short: true, Seed: 7, Scenarios: []string{"sigstop", "drop"}, Peers: []string{"ours", "rr"},
	}, write: "docs"}, o.faulty)
	o, err = parse([]string{"faults", "-reps", "3"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, 3, o.faulty.Runs)
	o, err = parse([]string{"faults"}, io.Discard)
	require.NoError(t, err)
	assert.Zero(t, o.faulty.Runs, "as planned")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"faults", "-fault", "sigstp"}, `fault "sigstp": want one of sigstop`},
		{[]string{"failover", "-fault", "sigstop"}, `suite failover: fault "sigstop": want one of planned`},
		{[]string{"failover", "-peer", "rr"}, `suite failover: peer "rr": want one of ours-active`},
		{[]string{"faults", "-peer", "rr,"}, `peer "": want one of ours`},
		{[]string{"pick", "-write", "docs"}, "-write: only the suites faults, failover and slow have it"},
	} {
		_, err := parse(c.args, io.Discard)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestTheSuiteFaultsPrintsItsOwnTablesAndRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	folder := t.TempDir()
	args := []string{"faults", "-fault", "sigkill", "-peer", "rr", "-short", "-seed", "1", "-write", folder}
	var out, errs strings.Builder
	require.Equal(t, exitOK, run(t.Context(), append(args, "-json"), &out, &errs), errs.String())
	metrics := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var rec record
		require.NoError(t, json.Unmarshal([]byte(line), &rec), line)
		assert.Equal(t, "faults", rec.Suite)
		assert.Equal(t, "sigkill", rec.Case)
		assert.Equal(t, "rr", rec.Policy)
		assert.Equal(t, 1, rec.Reps)
		metrics[rec.Metric] = true
	}
	assert.True(t, metrics["calls failed"])
	text, err := os.ReadFile(filepath.Join(folder, "faults.md"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "### `sigkill`")
	assert.FileExists(t, filepath.Join(folder, "faults.svg"))
}
