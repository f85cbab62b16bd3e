package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/demo"
	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestTheDemoMakesACallAndShowsTheStatus(t *testing.T) {
	result := exampletest.Run(t, "-once", "-timeout", "30s")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)
	for _, name := range []string{"seq1 ", "seq2 ", "seq3 "} {
		assert.NotEmpty(t, result.Line(name), output)
	}
	assert.Equal(t, `asked: gRPC service "sequencer-health-check-service" on the calls' own connection`, result.Last())
	assert.Regexp(t, `msg=answered by=seq[123] says=SERVING`, result.Stderr)
}

func TestCallsGoOnUntilCtrlC(t *testing.T) {
	p := exampletest.Start(t, "-interval", "20ms")
	p.WaitLine("3 of 3 endpoints eligible") // the table is shown again at every change
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
	assert.Contains(t, result.Stderr, "msg=stopping")
	assert.NotContains(t, result.Stderr, "level=ERROR")
}

func TestTheListOfEndpointsIsUsed(t *testing.T) {
	servers, stop, err := startDemo(t.Context())
	require.NoError(t, err)
	defer stop()
	passive, err := demo.Start(t.Context(), "127.0.0.1:0", healthService)
	require.NoError(t, err)
	defer passive.Close()

	list := "north=" + servers[0].Address + ",south=http://" + passive.Addr()
	result := exampletest.Run(t, "-once", "-timeout", "30s", "-endpoints", list)
	assert.Zero(t, result.Code, result.Stderr)
	assert.Contains(t, result.Stderr, "by=north")
}

func TestASequencerThatDoesNotServeIsExplained(t *testing.T) {
	exampletest.Long(t)
	passive, err := demo.Start(t.Context(), "127.0.0.1:0", healthService)
	require.NoError(t, err)
	defer passive.Close()
	result := exampletest.Run(t, "-once", "-timeout", "3s", "-endpoints", "south=http://"+passive.Addr())
	assert.Equal(t, 1, result.Code)
	assert.Contains(t, result.Stderr, "south unhealthy (not_serving")
	assert.NotEmpty(t, result.Line("0 of 1 endpoint eligible"))

	passive.SetServing(true)
	result = exampletest.Run(t, "-once", "-timeout", "3s", "-service-name", "another", "-plaintext", "-endpoints", passive.Addr())
	assert.Equal(t, 1, result.Code)
	assert.Contains(t, result.Stderr, "unknown_service")
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-timeout -1s: want a duration above zero":    {"-timeout", "-1s"},
		"-interval 0s: want a duration above zero":    {"-interval", "0s"},
		`argument \"seq1\": want flags only`:          {"seq1"},
		"item 2 of the list: want name=address":       {"-endpoints", "a:1,"},
		"missing port":                                {"-endpoints", "seq1=localhost"},
		"-plaintext and -ca: want one or the other":   {"-plaintext", "-ca", "x.pem"},
		"flag provided but not defined: -no-such-one": {"-no-such-one"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
	assert.Zero(t, exampletest.Run(t, "-h").Code)
}

func TestWhatTheFlagsSayIsKept(t *testing.T) {
	s, err := parse([]string{"-endpoints", "seq1=https://a:1,b:2", "-once"}, t.Output())
	require.NoError(t, err)
	assert.True(t, s.once)
	assert.Equal(t, cli.Endpoints{{Name: "seq1", Address: "https://a:1"}, {Address: "b:2"}}, s.endpoints)
}
