package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheSoakLastsAsLongAsTheFlagsSay(t *testing.T) {
	for args, want := range map[string]soakSizes{
		"soak":                         {lasts: 20 * time.Minute},
		"-short soak":                  {lasts: 30 * time.Second},
		"-short -for 1m soak":          {lasts: time.Minute},
		"soak -calls 1000000":          {calls: 1_000_000},
		"soak -calls 1000000 -for 30m": {lasts: 30 * time.Minute, calls: 1_000_000},
	} {
		o, err := parse(strings.Fields(args), io.Discard)
		require.NoError(t, err, args)
		assert.Equal(t, want, o.soaking, args)
		assert.Equal(t, "soak", names(o.suites))
	}
	for args, want := range map[string]string{
		"soak -for -1s":  "for -1s: want a duration above 0",
		"soak -calls -1": "calls -1: want a whole number above 0",
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		assert.EqualError(t, err, want)
	}
}

func TestTheSuitesOnDemandRunOnlyIfTheyAreNamed(t *testing.T) {
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	for _, s := range onDemand {
		assert.NotContains(t, names(o.suites), s.name)
	}
}

func TestAShortSoakHasNoViolationAndCountsItsCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	o, err := parse([]string{"soak", "-for", "2s", "-json"}, io.Discard)
	require.NoError(t, err)
	var out, errs strings.Builder
	require.Equal(t, exitOK, measure(ctx, o, &out, &errs), "%s%s", out.String(), errs.String())
	found := map[string]float64{}
	for line := range strings.Lines(out.String()) {
		var rec record
		require.NoError(t, json.Unmarshal([]byte(line), &rec), line)
		found[rec.Metric] = rec.Median
	}
	assert.Positive(t, found[metricReads.name])
	assert.Positive(t, found[metricWrites.name])
	assert.Positive(t, found[metricStreams.name])
	assert.Positive(t, found[metricFaults.name])
	assert.Zero(t, found[metricViolations.name])
	assert.InDelta(t, found[metricSoakCalls.name], found[metricReads.name]+found[metricWrites.name]+found[metricStreams.name], 0)
	assert.Contains(t, errs.String(), "soak: -seed ")
}

func TestAViolationIsAnError(t *testing.T) {
	require.NoError(t, problemsError(nil))
	assert.EqualError(t, problemsError([]string{"one", "two"}), "one\n  two")
}

// level makes samples whose goroutines go from one number to another.
func level(n int, from, to float64) *samples {
	s := new(samples)
	for i := range n {
		s.list = append(s.list, sample{goroutineGrowth: from + (to-from)*float64(i)/float64(n-1), heapGrowth: 10 << 20})
	}
	return s
}

func TestGrowthIsJudgedByTheMediansOfTheFirstThirdAndTheLast(t *testing.T) {
	problems := func(s *samples) (out []string) {
		for _, g := range s.growth() {
			out = append(out, g.problem()...)
		}
		return out
	}
	assert.Empty(t, problems(level(100, 1000, 1000)))
	assert.Empty(t, problems(level(100, 1000, 1100)), "a tenth may be an accident")
	assert.Empty(t, problems(level(100, 1000, 500)))
	grown := problems(level(100, 1000, 2000))
	require.Len(t, grown, 1)
	assert.Contains(t, grown[0], "goroutines: grown from ")
	assert.Empty(t, level(warmUp+2, 1000, 2000).growth(), "there is nothing to compare")

	spiky := level(100, 1000, 1000)
	spiky.list[99][heapGrowth] = math.MaxFloat64
	assert.Empty(t, problems(spiky), "one sample is none")
	for i := range 30 {
		spiky.list[70+i][heapGrowth] = 15 << 20
	}
	assert.Equal(t, []string{"live heap: grown from 10.0 MiB to 15.0 MiB, in the median of the first third and the last"}, problems(spiky))
}

func TestTheKitsComplaintsAreKept(t *testing.T) {
	k := new(kitT)
	var order []int
	k.Cleanup(func() { order = append(order, 1) })
	k.Cleanup(func() { order = append(order, 2) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Fatalf("no %s", "way")
		k.Errorf("not reached")
	}()
	<-ended
	for range 2 * maxFailures {
		k.Errorf("again")
	}
	assert.Len(t, k.failures(), maxFailures)
	assert.Equal(t, "no way", k.failures()[0])
	k.end()
	k.end()
	assert.Equal(t, []int{2, 1}, order)
}

func TestTheProbesSuiteCountsAtTheServers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	records := smoke(t, "probes")
	all := []string{ours.label, oursUnprobed.label, roundRobinHealth.label}
	for _, section := range []string{"idle", "traffic", "streams", "many"} {
		assert.Equal(t, all, policiesWith(records, section, metricChecks), section)
		assert.Equal(t, all, policiesWith(records, section, metricClientCPU), section)
	}
	for _, rec := range records {
		if rec.Metric == metricWatches.name {
			want := float64(rec.N)
			if rec.Policy == oursUnprobed.label {
				want = 0
			}
			assert.InDelta(t, want, rec.Median, 0, "%s, %s: one Watch for each endpoint that is probed", rec.Case, rec.Policy)
		}
		if rec.Metric == metricChecks.name && rec.Policy != ours.label {
			assert.Zero(t, rec.Max, "%s: %s makes no Checks", rec.Case, rec.Policy)
		}
		if rec.Metric == metricProbeLoad.name && rec.Case == "traffic" {
			assert.Positive(t, rec.Max)
		}
	}
}
