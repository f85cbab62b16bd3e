package settings

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/limits"
)

const defaultJSON = `{"healthCheck":{"service":"","interval":"1s","timeout":"auto","suspectInterval":"0.1s",` +
	`"silence":"0.3s","fall":2,"rise":2,"jitter":0.2,"watch":true,"onUnimplemented":"connectivity","http":"","grpcPort":0,"disabled":false},` +
	`"ejection":{"consecutiveFailures":5,"baseTime":"1s","maxTime":"60s"},"noneEligible":"failFast","handover":"keep","deadAfter":"3s",` +
	`"zone":"","spillBelow":0.5}`

func TestTheDefaultsAreThoseThatAreDocumented(t *testing.T) {
	text, err := json.Marshal(DefaultConfig())
	require.NoError(t, err)
	assert.Equal(t, defaultJSON, string(text))
	for _, given := range []string{`{}`, `{"healthCheck":{},"ejection":{}}`, defaultJSON} {
		c, err := ParseConfig([]byte(given))
		require.NoError(t, err, given)
		assert.Equal(t, DefaultConfig(), *c, given)
	}
}

func TestParseConfigReadsEveryKey(t *testing.T) {
	c, err := ParseConfig([]byte(`{"healthCheck": {"service": "orders", "fall": 3},
		"ejection": {"consecutiveFailures": 7, "baseTime": "2s", "maxTime": "2m"}, "noneEligible": "failOpen", "deadAfter": "0.5s", "handover": "immediate", "streamDrain": "30s",
		"zone": "eu-1", "spillBelow": 1}`))
	require.NoError(t, err)
	assert.Equal(t, "orders", c.HealthCheck.Service)
	assert.Equal(t, 3, c.HealthCheck.Fall)
	assert.Equal(t, Ejection{ConsecutiveFailures: 7, BaseTime: 2 * time.Second, MaxTime: 2 * time.Minute}, c.Ejection)
	assert.Equal(t, FailOpen, c.NoneEligible)
	assert.Equal(t, HandoverImmediate, c.Handover)
	assert.Equal(t, 30*time.Second, c.StreamDrain)
	assert.Equal(t, 500*time.Millisecond, c.DeadAfter)
	assert.Equal(t, "eu-1", c.Zone)
	assert.InDelta(t, 1, c.SpillBelow, 0)
}

func TestParseConfigNamesKeyValueAndWhatWouldBeRight(t *testing.T) {
	const duration = `: want a duration above zero, such as "1s"`
	for text, want := range map[string]string{
		`{"healthcheck": {}}`:                               `healthcheck: want a known key: deadAfter, ejection, handover, healthCheck, noneEligible, spillBelow, streamDrain, zone`,
		`{"healthCheck": {"intervall": "1s"}}`:              `healthCheck.intervall: want a known key: disabled, fall, grpcPort, http, interval, jitter, onUnimplemented, rise, service, silence, suspectInterval, timeout, watch`,
		`{"healthCheck": {"interval": "-1s"}}`:              `healthCheck.interval "-1s"` + duration,
		`{"healthCheck": {"fall": 0}}`:                      `healthCheck.fall 0: want a whole number from 1 to 1000`,
		`{"healthCheck": {"rise": 0}}`:                      `healthCheck.rise 0: want a whole number from 1 to 1000`,
		`{"healthCheck": {"timeout": "2s"}}`:                `healthCheck.timeout "2s": want "auto" or a duration up to the interval of 1s`,
		`{"healthCheck": null}`:                             `healthCheck null: want a value; leave the key out for its default`,
		`{"ejection": {"consecutiveFailures": 0}}`:          `ejection.consecutiveFailures 0: want a whole number from 1 to 1000000`,
		`{"ejection": {"consecutiveFailures": -1}}`:         `ejection.consecutiveFailures -1: want a whole number from 1 to 1000000`,
		`{"ejection": {"baseTime": "0s"}}`:                  `ejection.baseTime "0s"` + duration,
		`{"ejection": {"maxTime": "-1s"}}`:                  `ejection.maxTime "-1s"` + duration,
		`{"ejection": {"maxTime": "25h"}}`:                  `ejection.maxTime "25h": want a duration of at most 24h0m0s`,
		`{"ejection": {"baseTime": "3s", "maxTime": "2s"}}`: `ejection.baseTime "3s": want a duration not above maxTime "2s"`,
		`{"ejection": {"base": "3s"}}`:                      `ejection.base: want a known key: baseTime, consecutiveFailures, maxTime`,
		`{"ejection": []}`:                                  `ejection [...]: want a JSON object`,
		`{"noneEligible": "failfast"}`:                      `noneEligible "failfast": want "failFast" or "wait" or "failOpen"`,
		`{"noneEligible": ""}`:                              `noneEligible "": want "failFast" or "wait" or "failOpen"`,
		`{"handover": "now"}`:                               `handover "now": want "keep" or "immediate"`,
		`{"deadAfter": "soon"}`:                             `deadAfter "soon"` + duration,
		`{"zone": " eu"}`:                                   `zone " eu": want printable text of at most 64 bytes with no space at its ends`,
		`{"zone": 1}`:                                       `zone 1: want a string of at most 64 bytes of valid Unicode`,
		`{"spillBelow": 0}`:                                 `spillBelow 0: want a number above 0 and at most 1`,
		`{"spillBelow": 1.1}`:                               `spillBelow 1.1: want a number above 0 and at most 1`,
		`{"deadAfter": "3s", "deadAfter": "4s"}`:            `deadAfter "4s": want each key only once`,
		`[]`:                                                `[...]: want a JSON object`,
		``:                                                  `want valid JSON (unexpected end of JSON input)`,
		`{"deadAfter": 3, "ejection": {"maxTime": 1}}`:      `deadAfter 3` + duration + "\n" + `ejection.maxTime 1` + duration,
	} {
		c, err := ParseConfig([]byte(text))
		require.EqualError(t, err, want, text)
		assert.Nil(t, c)
		var e *configerr.Error
		assert.ErrorAs(t, err, &e)
	}
}

func TestValidateCompletesWhatIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct{ given, want Ejection }{
		"nothing":                    {Ejection{}, Ejection{5, time.Second, time.Minute}},
		"a long base":                {Ejection{BaseTime: 2 * time.Minute}, Ejection{5, 2 * time.Minute, 2 * time.Minute}},
		"a short base":               {Ejection{BaseTime: time.Millisecond}, Ejection{5, time.Millisecond, time.Minute}},
		"a short maximum":            {Ejection{MaxTime: 500 * time.Millisecond}, Ejection{5, 500 * time.Millisecond, 500 * time.Millisecond}},
		"a long maximum":             {Ejection{MaxTime: time.Hour}, Ejection{5, time.Second, time.Hour}},
		"both, and they are equal":   {Ejection{1, time.Hour, time.Hour}, Ejection{1, time.Hour, time.Hour}},
		"as many failures as can be": {Ejection{ConsecutiveFailures: limits.MaxConsecutiveFailures}, Ejection{limits.MaxConsecutiveFailures, time.Second, time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Config{Ejection: c.given}.Validate()
			require.NoError(t, err)
			assert.Equal(t, c.want, got.Ejection)
			again, err := got.Validate()
			require.NoError(t, err)
			assert.Equal(t, got, again)
		})
	}
}

func TestValidateNamesKeyValueAndWhatWouldBeRight(t *testing.T) {
	for want, c := range map[string]Config{
		`healthCheck.fall -1: want a whole number from 1 to 1000`:                {HealthCheck: healthcheck.Config{Fall: -1}},
		`ejection.consecutiveFailures -1: want a whole number from 1 to 1000000`: {Ejection: Ejection{ConsecutiveFailures: -1}},
		`ejection.consecutiveFailures 1000001: want a whole number from 1 to 1000000`: {
			Ejection: Ejection{ConsecutiveFailures: limits.MaxConsecutiveFailures + 1}},
		`ejection.baseTime "-1s": want a duration above zero, such as "1s"`:              {Ejection: Ejection{BaseTime: -time.Second}},
		`ejection.maxTime "48h0m0s": want a duration of at most 24h0m0s`:                 {Ejection: Ejection{MaxTime: 48 * time.Hour}},
		`ejection.baseTime "2m0s": want a duration not above maxTime "1m0s"`:             {Ejection: Ejection{BaseTime: 2 * time.Minute, MaxTime: time.Minute}},
		`deadAfter "-3s": want a duration above zero, such as "1s"`:                      {DeadAfter: -3 * time.Second},
		`zone "a\nb": want printable text of at most 64 bytes with no space at its ends`: {Zone: "a\nb"},
		`spillBelow -0.1: want a number above 0 and at most 1`:                           {SpillBelow: -0.1},
		`spillBelow NaN: want a number above 0 and at most 1`:                            {SpillBelow: math.NaN()},
		`deadAfter "24h0m1s": want a duration of at most 24h0m0s`:                        {DeadAfter: 24*time.Hour + time.Second},
		`noneEligible "x\x00y": want "failFast" or "wait" or "failOpen"`:                 {NoneEligible: "x\x00y"},
	} {
		_, err := c.Validate()
		require.EqualError(t, err, want)
		var e *configerr.Error
		assert.ErrorAs(t, err, &e)
	}
	_, err := Config{DeadAfter: -1, NoneEligible: "x", HealthCheck: healthcheck.Config{Fall: -1}}.Validate()
	assert.Len(t, strings.Split(err.Error(), "\n"), 3, "all of them at once: %v", err)
}

func TestABadConfigDoesNotMarshal(t *testing.T) {
	_, err := json.Marshal(Config{HealthCheck: healthcheck.Config{Fall: -1}})
	assert.ErrorContains(t, err, "fall -1")
}

func TestWhatValidatesMarshalsAndParsesToTheSame(t *testing.T) {
	duration := rapid.OneOf(rapid.Just(time.Duration(0)), rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(-1, int64(25*time.Hour)).Draw(t, "d"))
	}))
	rapid.Check(t, func(t *rapid.T) {
		c, err := Config{
			HealthCheck: healthcheck.Config{Fall: rapid.IntRange(0, 5).Draw(t, "fall"), Disabled: rapid.Bool().Draw(t, "disabled")},
			Ejection: Ejection{
				ConsecutiveFailures: rapid.IntRange(-1, limits.MaxConsecutiveFailures+1).Draw(t, "failures"),
				BaseTime:            duration.Draw(t, "base"), MaxTime: duration.Draw(t, "max"),
			},
			NoneEligible: rapid.SampledFrom([]NoneEligible{"", FailFast, Wait, FailOpen, "x"}).Draw(t, "none"),
			DeadAfter:    duration.Draw(t, "dead"),
		}.Validate()
		if err != nil {
			return
		}
		checkRoundTrip(t, c)
	})
}

func checkRoundTrip(t rapid.TB, c Config) {
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	back, err := ParseConfig(text)
	if err != nil || *back != c {
		t.Fatalf("%s came back as %+v, %v; want %+v", text, back, err, c)
	}
}

func TestEveryFaultOfThePoliciesIsReportedAtOnce(t *testing.T) {
	fields := func(err error) []string {
		var found []string
		for _, e := range configerr.All(err) {
			found = append(found, e.Field)
		}
		return found
	}
	_, err := ParseConfig([]byte(`{"healthCheck": {"interval": "0s", "fall": 0, "grpcPort": 5, "http": "http://{host}/"},
		"ejection": {"baseTime": "2m", "maxTime": "1m"}, "zone": " eu", "spillBelow": 2, "noneElgible": "wait"}`))
	assert.Equal(t, []string{
		"healthCheck.interval", "healthCheck.fall", "healthCheck.grpcPort", "spillBelow", "noneElgible", "ejection.baseTime", "zone",
	}, fields(err))
	_, err = ParseActivePassive([]byte(`{"failBack": "x", "holdDown": 1, "drain": "0s", "zone": "eu", "deadAfter": "1"}`))
	assert.Equal(t, []string{"failBack", "holdDown", "drain", "zone", "deadAfter"}, fields(err))
}

func FuzzParseConfig(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err == nil {
			checkRoundTrip(t, *c)
			return
		}
		var e *configerr.Error
		if c != nil || !errors.As(err, &e) {
			t.Fatalf("%+v, %T: %v", c, err, err)
		}
		text := err.Error()
		if len(text) > 16<<10 || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Fatalf("%d bytes of error: %q", len(text), text)
		}
	})
}
