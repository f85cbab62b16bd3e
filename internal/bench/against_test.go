//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a program that prints lines for its last argument, the suite.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nfor suite; do :; done\n"+text), 0o700))
	return path
}

// printsTime returns a shell command that prints a measurement of the suite.
func printsTime(policy, median string) string {
	return `echo '{"suite":"'$suite'","case":"part","policy":"` + policy + `","n":3,"metric":"time","unit":"s","median":'"` + median + `"',"reps":1}'` + "\n"
}

func compareScripts(t *testing.T, before, after string, o options) (code int, stdout, stderr string) {
	t.Helper()
	var out, log strings.Builder
	c := &comparison{options: o, binaries: [...]string{script(t, before), script(t, after)}, stdout: &out, stderr: &log}
	code = c.run(t.Context())
	return code, out.String(), log.String()
}

func comparing(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parse(append(args, "-against", "binary", "-seed", "7"), io.Discard)
	require.NoError(t, err)
	return o
}

func TestTwoBinariesAreComparedInPairs(t *testing.T) {
	before := printsTime("ours", "$(( $5 - 6 ))") + // the seed, which grows: 1, 2, 3 and so on
		printsTime("once", "1") + `echo '{"suite":"pick","policy":"peer","missing":true}'` + "\n"
	after := printsTime("ours", "$(( 2 * ($5 - 6) ))") + printsTime("new", "1")
	code, out, log := compareScripts(t, before, after, comparing(t, "-json", "-reps", "6", "pick"))
	assert.Equal(t, exitOK, code)
	var got compared
	require.NoError(t, json.Unmarshal([]byte(out), &got), "one line: %s", out)
	assert.Equal(t, record{Suite: "pick", Case: "part", Policy: "ours", N: 3, Metric: "time", Unit: "s"}, got.record)
	assert.Equal(t, 6, got.Pairs)
	assert.InDelta(t, 3.5, got.Before, 1e-9)
	assert.InDelta(t, 7, got.After, 1e-9)
	for _, v := range []*float64{got.Ratio, got.Low, got.High} {
		require.NotNil(t, v)
		assert.InDelta(t, 2, *v, 1e-9)
	}
	assert.Contains(t, log, "not measured by both binaries: pick, part, 3, , time, once")
	assert.Contains(t, log, "not measured by both binaries: pick, part, 3, , time, new")
}

func TestATableOfAComparisonSaysWhatIsUnknown(t *testing.T) {
	zero, one := printsTime("zero", "0"), printsTime("one", "0.002")
	code, out, _ := compareScripts(t, zero+one, zero+one, comparing(t, "-reps", "5", "pick", "flip"))
	assert.Equal(t, exitOK, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 5)
	assert.Contains(t, lines[0], "after ÷ before")
	assert.Equal(t, []string{"pick", "part", "3", "time", "zero", "0.0", "µs", "0.0", "µs", "5"}, strings.Fields(lines[1]), "no ratio to zero")
	assert.Equal(t, []string{"flip", "part", "3", "time", "one", "2.00", "ms", "2.00", "ms", "1.000", "5"}, strings.Fields(lines[4]),
		"no interval of five pairs")
}

func TestBothBinariesGetTheSameArguments(t *testing.T) {
	echo := `echo "$@" >>` + filepath.Join(t.TempDir(), "arguments") + "\n"
	code, _, _ := compareScripts(t, echo, echo, comparing(t, "-short", "-reps", "2", "-peer", "ours", "faults", "pick"))
	assert.Equal(t, exitOK, code)
	text, err := os.ReadFile(strings.TrimSpace(strings.SplitN(echo, ">>", 2)[1]))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 8)
	for i, want := range []string{
		"-json -reps 1 -seed 7 -short -peer ours faults", "-json -reps 1 -seed 7 -short pick",
		"-json -reps 1 -seed 8 -short -peer ours faults", "-json -reps 1 -seed 8 -short pick",
	} {
		assert.Equal(t, []string{want, want}, lines[2*i:2*i+2])
	}
}

func TestABinaryThatFailsIsReportedAndTheOtherLinesStand(t *testing.T) {
	for name, before := range map[string]string{
		"exit status 3":     printsTime("ours", "1") + "exit 3\n",
		"its output":        printsTime("ours", "1") + "echo nonsense\n",
		"invalid character": printsTime("ours", "1") + "echo '{]'\n",
	} {
		code, out, log := compareScripts(t, before, printsTime("ours", "1"), comparing(t, "-json", "-reps", "1", "pick"))
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, log, name)
		assert.Contains(t, out, `"pairs":1`)
	}
	o := comparing(t, "pick")
	o.against = filepath.Join(t.TempDir(), "none")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, exitInterrupted, compare(ctx, o, io.Discard, io.Discard))
}

func TestAComparisonNeedsSuites(t *testing.T) {
	for want, args := range map[string][]string{
		"suites: none, want those that -against compares": {"-against", "x"},
		"-write: not with -against":                       {"-against", "x", "faults", "-write", "docs"},
	} {
		_, err := parse(args, io.Discard)
		assert.ErrorContains(t, err, want)
	}
	assert.Equal(t, againstReps, comparing(t, "pick").reps)
}
