package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

// acts cuts the output at the headings.
func acts(t *testing.T, r exampletest.Result) []string {
	t.Helper()
	output := strings.Join(r.Lines, "\n")
	require.Zero(t, r.Code, output+"\n"+r.Stderr)
	parts := strings.Split(output, "--- ")[1:]
	require.Len(t, parts, 5, output)
	return parts
}

func TestOneOrganisationsMistakeIsExplainedAndTheOthersGoOn(t *testing.T) {
	exampletest.Long(t)
	result := exampletest.Run(t, "-pause", "200ms")
	acts := acts(t, result)

	assert.Contains(t, acts[0], "3 of 3 endpoints eligible")
	assert.Contains(t, acts[0], `asked: gRPC service "sequencer-health-check-service" on the calls' own connection`)
	assert.Regexp(t, `asked: HTTP GET http://127\.0\.0\.1:\d+/health`, acts[0])

	assert.Contains(t, acts[1], "2 of 3 endpoints eligible")
	assert.Regexp(t, `(?m)^north +\S+ +no +unreachable .* handshake_failed`, acts[1])
	assert.Contains(t, acts[1], "certificate signed by unknown authority")

	assert.Contains(t, acts[2], "3 of 3 endpoints eligible")

	assert.Contains(t, acts[3], "2 of 3 endpoints eligible")
	assert.Regexp(t, `(?m)^west +\S+ +no +unhealthy .* probe_denied`, acts[3])
	assert.Contains(t, acts[3], "UNAUTHENTICATED: the token is not one of ours, or has expired")

	assert.Contains(t, acts[4], "3 of 3 endpoints eligible")
	assert.Regexp(t, `calls: \d+ answered \(north \d+, south \d+, west \d+\), 0 failed$`, result.Last())
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-pause 0s: want a duration above zero":     {"-pause", "0s"},
		"-timeout -1s: want a duration above zero":  {"-timeout", "-1s"},
		`argument \"north\": want flags only`:       {"north"},
		"flag provided but not defined: -no-such-1": {"-no-such-1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}

func TestTheProgramEndsWithCtrlC(t *testing.T) {
	p := exampletest.Start(t, "-pause", "1m")
	p.WaitLine("--- each organisation")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
}
