package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResultsAreThoseOfMethodsAndFunctions(t *testing.T) {
	all := results{}
	running, end := follow(strings.NewReader(`
{"Action":"run","Test":"Test"}
{"Action":"run","Test":"Test/A"}
{"Action":"run","Test":"Test/A/deeper"}
{"Action":"fail","Test":"Test/A/deeper"}
{"Action":"pass","Test":"Test/A"}
{"Action":"pass","Test":"Test"}
{"Action":"run","Test":"TestB"}
{"Action":"skip","Test":"TestB"}
{"Action":"run","Test":"TestC"}
{"Action":"output","Test":"TestC","Output":"panic: oh\n"}
`), all, func() { t.Error("nothing fails") })
	assert.Equal(t, processEnded, end)
	assert.Equal(t, results{"Test/A": {}, "TestB": {skipped: true}}, all)
	assert.Equal(t, current{name: "TestC", output: []string{"panic: oh"}}, running, "the process ended in it")
}

func TestAFailureEndsTheProcessAndSaysWhy(t *testing.T) {
	all, killed := results{}, 0
	running, end := follow(strings.NewReader(`
{"Action":"run","Test":"Test/A"}
{"Action":"output","Test":"Test/A/deeper","Output":"    a_test.go:7: INFO of no interest\n"}
{"Action":"output","Test":"Test/A/deeper","Output":"    a_test.go:8: got 1, want 2\n"}
{"Action":"fail","Test":"Test/A"}
{"Action":"run","Test":"Test/B"}
`), all, func() { killed++ })
	assert.Equal(t, testFailed, end)
	assert.Positive(t, killed)
	assert.Equal(t, results{"Test/A": {failed: true, output: []string{"a_test.go:8: got 1, want 2"}}}, all)
	assert.Empty(t, running, "B has not run: it gets a process of its own")
}

func TestAPanicIsReadToItsEnd(t *testing.T) {
	all, killed := results{}, 0
	_, end := follow(strings.NewReader(`
{"Action":"run","Test":"TestA"}
{"Action":"fail","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"panic: oh\n"}
{"Action":"output","Test":"TestA","Output":"github.com/cantonlb/cantonlb/internal/attempt.From(...)\n"}
{"Action":"run","Test":"TestB"}
`), all, func() { killed++ })
	assert.Equal(t, testFailed, end)
	assert.Equal(t, 1, killed, "when another test begins, if there is one")
	assert.Equal(t, results{
		"TestA": {failed: true, output: []string{"panic: oh", "github.com/cantonlb/cantonlb/internal/attempt.From(...)"}},
	}, all)
}

func TestAPatternIsOfExactlyTheseTests(t *testing.T) {
	assert.Equal(t, "^Test$/^A$|^TestB$", pattern([]string{"Test/A", "TestB"}))
	_, err := regexp.Compile(pattern([]string{betweenTests}))
	require.NoError(t, err)
}

func TestSuitesAreChosenByNameAndMode(t *testing.T) {
	all, err := chosen(nil, false)
	require.NoError(t, err)
	assert.Equal(t, len(suites), len(all))
	short, err := chosen(nil, true)
	require.NoError(t, err)
	assert.Less(t, len(short), len(all))
	assert.Equal(t, policyFiles, short[0].files)
	one, err := chosen([]string{"xds_channel"}, true)
	require.NoError(t, err)
	assert.Len(t, one, 1, "it was asked for")
	_, err = chosen([]string{"nosuch"}, false)
	assert.ErrorContains(t, err, `suite "nosuch": want one of`)
}

func TestASuiteAndItsControlDifferInThePolicyAlone(t *testing.T) {
	s := suite{policy: healthy, config: unprobed, names: []string{roundRobin}, byDefault: true}
	ours, err := s.environment(false)
	require.NoError(t, err)
	control, err := s.environment(true)
	require.NoError(t, err)
	assert.Equal(t, []string{"CONFORMANCE_DEFAULT=round_robin"}, control)
	assert.Equal(t, append(control,
		`CONFORMANCE_SUBSTITUTES={"round_robin":{"healthy_round_robin":{"healthCheck":{"disabled":true}}}}`), ours)
}
