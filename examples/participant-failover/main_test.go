package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestNoCommandIsLostWhileReplicasTakeOver(t *testing.T) {
	for _, kind := range []string{participant.Postgres, participant.Memory} {
		t.Run(kind, func(t *testing.T) {
			exampletest.Long(t)
			if kind == participant.Postgres {
				if !participant.Installed() {
					t.Skip(participant.ErrNotInstalled)
				}
			}
			t.Parallel() // the programs mostly wait
			result := exampletest.Run(t, "-store", kind, "-pause", "500ms")
			output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
			require.Zero(t, result.Code, output)
			assert.Regexp(t, `^commands: [1-9]\d+ ok, 0 failed; updates: [1-9]\d+, each once and in order; switches: [23]$`, result.Last(), output)
			for _, text := range []string{
				`"p1" -> "p2" (connect_failed)`, "p2 steps down", "p1 is stopped (SIGSTOP)", "no replica has taken over after 3s",
				"p1 has noticed that its session has ended and is passive",
			} {
				if child.CanStop || !strings.Contains(text, "p1 ") {
					assert.NotEmpty(t, result.Line(text), "%q\n%s", text, output)
				}
			}
		})
	}
}

func TestCtrlCEndsTheRunInOrder(t *testing.T) {
	p := exampletest.Start(t, "-store", "memory", "-pause", "1m")
	p.WaitLine("p1 is active, p2 is a standby")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		`-store "disk": want postgres, memory or auto`: {"-store", "disk"},
		"-rate 0: want 1 to 1000":                      {"-rate", "0"},
		"-pause 0s: want a duration above zero":        {"-pause", "0s"},
		`argument "p1": want flags only`:               {"p1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
