package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestEachUpdateCountsOnce(t *testing.T) {
	exampletest.Long(t)
	if !participant.Installed() {
		t.Skip(participant.ErrNotInstalled)
	}
	result := exampletest.Run(t, "-duration", "10s")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)
	sums := regexp.MustCompile(`^updates in the ledger: ([1-9]\d+), counted: (\d+); sum of their offsets: (\d+), counted: (\d+)$`).
		FindStringSubmatch(result.Last())
	require.Len(t, sums, 5, output)
	assert.Equal(t, sums[1], sums[2])
	assert.Equal(t, sums[3], sums[4])
	assert.Regexp(t, `the consumer was killed [1-9]\d* times, the active replica [1-9]\d* times`, output)
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"want -endpoints and -database together": {"-endpoints", "a:1"},
		"-duration 1s: want at least 5s":         {"-duration", "1s"},
		`argument "p1": want flags only`:         {"p1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
	assert.Empty(t, os.Getenv(endpointsEnv))
}
