package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestEveryRequestIsAnsweredWhereItsPartyIs(t *testing.T) {
	result := exampletest.Run(t, "-pause", "1s")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)
	assert.Regexp(t, `^commands: [1-9]\d+, each once where its party is; HTTP responses: [1-9]\d+; failed: 0$`, result.Last(), output)
	assert.Regexp(t, `^alice::1220demo +north +north-1 \d+, north-2 \d+ +north-json-1 \d+, north-json-2 \d+$`, result.Line("alice::1220demo  "), output)
	assert.Regexp(t, `^bob::1220demo +south +south-1 \d+ +south-json-1 \d+, south-json-2 \d+$`, result.Line("bob::1220demo  "), output)
	for _, text := range []string{"is killed (SIGKILL): north-2 takes over", "no shard hosts it", "no shard has all parties of the request"} {
		assert.NotEmpty(t, result.Line(text), "%q\n%s", text, output)
	}
}

func TestCtrlCEndsTheRunInOrder(t *testing.T) {
	p := exampletest.Start(t, "-pause", "1m")
	p.WaitLine("requests for 4 parties")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-pause 0s: want a duration above zero": {"-pause", "0s"},
		`argument \"p1\": want flags only`:      {"p1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
