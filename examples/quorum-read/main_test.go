package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestNoLieIsBelieved(t *testing.T) {
	result := exampletest.Run(t, "-reads", "30", "-timeout", "60s")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)
	truths := 0
	for _, line := range result.Lines {
		assert.NotContains(t, line, "Mallory")
		if line == `contract: {"id":9007199254740993,"owner":"Alice"}` {
			truths++
		}
	}
	assert.Equal(t, 30, truths, output)
	assert.NotEmpty(t, result.Line("position: 1000"), output)
	assert.NotEmpty(t, result.Line("balance: 70 (at_position 1000)"), output)
	assert.Contains(t, result.Last(), "reads: 32 agreed, 0 without a quorum")
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-reads 0: want 1 or more":        {"-reads", "0"},
		"-timeout -1s: want a duration":   {"-timeout", "-1s"},
		`argument \"x\": want flags only`: {"x"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
