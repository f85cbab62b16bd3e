package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestEachRequestIsAnsweredOnceWhateverHappensToTheMachines(t *testing.T) {
	exampletest.Long(t)
	if !participant.Installed() {
		t.Skip(participant.ErrNotInstalled)
	}
	result := exampletest.Run(t, "-pause", "200ms")
	output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
	require.Zero(t, result.Code, output)
	assert.Regexp(t, `^pink: ([1-9]\d+) requests, ([1-9]\d+) answered, 0 lost, 0 answered twice; `+
		`green: ([1-9]\d+) requests, ([1-9]\d+) answered, 0 lost, 0 answered twice; actions outside of a lease: 0$`, result.Last(), output)
	for _, text := range []string{
		"east is killed (SIGKILL)", "west is stopped (SIGSTOP)", "west has noticed that it lost both leases",
		"pink on east has stopped by itself", "green on east has stopped by itself", "pink on west ends in good order",
	} {
		if child.CanStop || !strings.Contains(text, "west ") {
			assert.NotEmpty(t, result.Line(text), "%q\n%s", text, output)
		}
	}
	terms := 0
	for _, line := range result.Lines {
		if strings.HasPrefix(line, "pink ") && strings.Contains(line, "1099511627") { // timeline 1, and a counter
			terms++
		}
	}
	assert.GreaterOrEqual(t, terms, 5, output)
}

func TestCtrlCEndsTheRunInOrder(t *testing.T) {
	if !participant.Installed() {
		t.Skip(participant.ErrNotInstalled)
	}
	p := exampletest.Start(t, "-pause", "1m")
	p.WaitLine("pink runs on east, green on west")
	p.Interrupt()
	result := p.Wait()
	assert.Zero(t, result.Code, result.Stderr)
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		"-ttl 1ms: want 500ms to 10s":           {"-ttl", "1ms"},
		"-rate 0: want 1 to 200":                {"-rate", "0"},
		"-pause 0s: want a duration above zero": {"-pause", "0s"},
		`argument "east": want flags only`:      {"east"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}

// What the summary calls well is well: each fault that it looks for, made up, is found.
func TestTheJudgeFindsWhatItLooksFor(t *testing.T) {
	east, west := &process{rule: "pink", machine: "east"}, &process{rule: "pink", machine: "west"}
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	entries := []entry{
		{who: east, word: sayBegins, token: 1, at: at(1)},
		{who: east, word: sayActs, token: 1, at: at(2), text: "1"},
		{who: west, word: sayBegins, token: 2, at: at(10)},
		{who: west, word: sayActs, token: 2, at: at(11), text: "1"},
		{who: west, word: sayEarlier, token: 2, at: at(12), text: "1"},
		{who: west, word: sayActs, token: 2, at: at(13), text: "2"},
	}
	update := func(id, text string) participant.Update {
		return participant.Update{CommandID: "trigger|Alice::1220demo|" + id, Text: text}
	}
	ledger := []participant.Update{
		update("request-green-1", ""), update("answer-green-1", "west with token 9"),
		update("request-pink-1", ""), update("answer-pink-1", "east with token 1"),
		update("request-pink-2", ""), update("answer-pink-2", "west with token 2"),
	}
	v := judge(entries, ledger)
	line, err := v.summary()
	require.NoError(t, err)
	assert.Equal(t, "pink: 2 requests, 2 answered, 0 lost, 0 answered twice; green: 1 requests, 1 answered, 0 lost, 0 answered twice; "+
		"actions outside of a lease: 0", line)
	var table bytes.Buffer
	v.print(&table, 0)
	assert.Regexp(t, `(?m)^pink +west +2 +0\.01s +0\.01s +0\.01s +2 +1 +1$`, table.String())

	late := append(slices.Clip(entries), entry{who: east, word: sayActs, token: 1, at: at(14), text: "3"})
	_, err = judge(late, ledger).summary()
	require.ErrorContains(t, err, "a process has acted while another one held the lease")
	_, err = judge(entries, ledger[:5]).summary()
	require.ErrorContains(t, err, "pink: want an answer for each request")
	_, err = judge(entries, append(slices.Clip(ledger), ledger[3])).summary()
	require.ErrorContains(t, err, "pink: want an answer for each request, and one only")
	_, err = judge(nil, nil).summary()
	assert.ErrorContains(t, err, "green: want an answer")
}
