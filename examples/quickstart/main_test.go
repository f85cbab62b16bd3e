package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

// TestMain also serves: the servers are this program again, which in a test is
// the test's own binary.
func TestMain(m *testing.M) {
	if name := os.Getenv(serverNameEnv); name != "" {
		if err := serve(name, os.Getenv(serverAddrEnv)); err != nil {
			exit(err)
		}
		return
	}
	exampletest.Main(m, main)
}

func TestNoCallFailsWhileServersComeAndGo(t *testing.T) {
	exampletest.Long(t)
	result := exampletest.Run(t, "-duration", "4s", "-rate", "250")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)

	var ok, failed int
	_, err := fmt.Sscanf(result.Last(), "calls: %d ok, %d failed", &ok, &failed)
	require.NoError(t, err, output)
	assert.Zero(t, failed, output)
	assert.GreaterOrEqual(t, ok, 4*250, "each call that is due is made, however late")
	for _, st := range script {
		assert.NotEmpty(t, result.Line("s  "+st.title), "the step %q\n%s", st.title, output)
	}

	answered := row(t, result, "answered, by the client's count")
	arrived := row(t, result, "arrived, by the servers' own count")
	assert.Equal(t, ok, answered[0]+answered[1]+answered[2])
	for i := range answered {
		assert.Positive(t, answered[i], output)
		assert.GreaterOrEqual(t, arrived[i], answered[i], "an answer comes from a call that arrived\n%s", output)
	}
	// An answer that is on its way when the server dies still comes.
	assert.LessOrEqual(t, row(t, result, "seq1 is killed")[0], 3, "the dead answer nothing\n%s", output)
	assert.NotEmpty(t, result.Line("retries: "))
}

// row reads the three servers' cells in a line of the table.
func row(t *testing.T, result exampletest.Result, title string) (cells [3]int) {
	t.Helper()
	for _, line := range result.Lines {
		if rest, ok := strings.CutPrefix(line, title); ok {
			_, err := fmt.Sscan(rest, &cells[0], &cells[1], &cells[2])
			require.NoError(t, err, line)
			return cells
		}
	}
	require.Fail(t, "no row", title)
	return cells
}

func TestCtrlCEndsTheRunInOrder(t *testing.T) {
	p := exampletest.Start(t, "-duration", "1m")
	p.WaitLine("calls: ")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
	assert.Regexp(t, `^calls: [1-9]\d* ok, 0 failed$`, result.Last())
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-rate 0: want 1 to 10000":                    {"-rate", "0"},
		"-rate 10001: want 1 to 10000":                {"-rate", "10001"},
		"-duration -1s: want a duration above zero":   {"-duration", "-1s"},
		`argument "seq1": want flags only`:            {"seq1"},
		`invalid value "fast" for flag -rate`:         {"-rate", "fast"},
		"flag provided but not defined: -no-such-one": {"-no-such-one"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
		assert.Empty(t, result.Lines)
	}
}
