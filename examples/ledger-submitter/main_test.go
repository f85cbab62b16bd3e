package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestNoPaymentIsLostOrMadeTwice(t *testing.T) {
	exampletest.Long(t)
	for _, store := range []string{participant.Postgres, participant.Memory} {
		t.Run(store, func(t *testing.T) {
			if store == participant.Postgres && !participant.Installed() {
				t.Skip(participant.ErrNotInstalled)
			}
			t.Parallel() // the programs mostly wait
			result := exampletest.Run(t, "-duration", "10s", "-store", store)
			output := strings.Join(result.Lines, "\n") + "\n" + result.Stderr
			require.Zero(t, result.Code, output)
			assert.Regexp(t, `^payments: [1-9]\d+, lost 0, twice 0, reported wrongly 0, unknown 0; updates: [1-9]\d+, missed 0, repeated 0$`, result.Last(), output)
			assert.NotContains(t, output, "permanent")
		})
	}
}

func TestAResultCountsWhatIsNotSo(t *testing.T) {
	at := time.Unix(100, 0)
	r := result{faults: []fault{{kind: "kill", at: at, takeover: time.Second}, {kind: "hang", at: at.Add(time.Hour), takeover: time.Second}}}
	r.add(map[string]error{"a": nil, "b": nil, "c": errors.New("no"), "d": errUnknown, "e": errors.New("no")},
		[]update{{1, at.Add(-time.Second)}, {2, at.Add(time.Second)}, {2, at.Add(time.Second)}},
		[]participant.Update{{Offset: 1, Text: "a"}, {Offset: 2, Text: "a"}, {Offset: 3, Text: "c"}})
	assert.Equal(t, "payments: 5, lost 3, twice 1, reported wrongly 2, unknown 1; updates: 2, missed 1, repeated 1"+
		"; kill: takeover 1s, silence 2s; hang: takeover 1s, silence permanent", r.String())
	assert.Contains(t, summary([]result{r}), "hang: silence of the stream: median permanent, worst permanent")
	text := page(settings{runs: 1, rate: 20, duration: time.Minute}, map[string][]result{"ledger": {r}, "loop": {r}, "grpc": {r}})
	assert.Contains(t, text, "| loop | 1 | 5 | 3 | 1 | 2 | 1 | 1 | 1 |")
	assert.Contains(t, text, "| grpc | 2s, 2s | 1s, 1s | permanent, permanent | 1s, 1s |")
}

func TestAWrongFlagIsNamed(t *testing.T) {
	for want, args := range map[string][]string{
		`-client "sdk": want one of`:                   {"-client", "sdk"},
		"-runs 0: want 1 to 100":                       {"-runs", "0"},
		"-rate 0: want 1 to 1000":                      {"-rate", "0"},
		"-duration 1s: want at least 10s":              {"-duration", "1s"},
		`-store "disk": want postgres, memory or auto`: {"-store", "disk"},
		`argument "p1": want flags only`:               {"p1"},
	} {
		result := exampletest.Run(t, args...)
		assert.NotZero(t, result.Code, args)
		assert.Contains(t, result.Stderr, want)
	}
}
