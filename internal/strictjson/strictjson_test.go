package strictjson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type mode string

type inner struct {
	interval time.Duration
	fall     int
}

type outer struct {
	on    bool
	name  string
	share float64
	mode  mode
	inner inner
}

func parse(text string) (outer, error) {
	var o outer
	err := strictjson.Object([]byte(text), map[string]func(json.RawMessage) error{
		"on":    strictjson.Bool(&o.on),
		"name":  strictjson.String(&o.name, 8),
		"share": strictjson.Float(&o.share, 0, 1),
		"mode":  strictjson.Enum(&o.mode, "fast", "slow"),
		"inner": func(value json.RawMessage) error {
			return strictjson.Object(value, map[string]func(json.RawMessage) error{
				"interval": strictjson.Duration(&o.inner.interval, time.Hour),
				"fall":     strictjson.Int(&o.inner.fall, 1, 10),
			})
		},
	})
	return o, err
}

func TestObjectDecodesEveryKindOfValue(t *testing.T) {
	got, err := parse(` {"on": true, "name": "séq1", "share": 0.25, "mode": "slow",
		"inner": {"interval": "0.5s", "fall": 3}} `)
	require.NoError(t, err)
	assert.Equal(t, outer{on: true, name: "séq1", share: 0.25, mode: "slow",
		inner: inner{interval: 500 * time.Millisecond, fall: 3}}, got)

	got, err = parse(`{}`)
	require.NoError(t, err)
	assert.Zero(t, got, "absent keys leave everything as it was")
}

func TestObjectNamesKeyValueAndWhatWouldBeRight(t *testing.T) {
	const known = "want a known key: inner, mode, name, on, share"
	for text, want := range map[string]string{
		`{"inner": {"interval": "-1s"}}`:  `inner.interval "-1s": want a duration above zero, such as "1s"`,
		`{"inner": {"interval": "0s"}}`:   `inner.interval "0s": want a duration above zero, such as "1s"`,
		`{"inner": {"interval": "5"}}`:    `inner.interval "5": want a duration above zero, such as "1s"`,
		`{"inner": {"interval": 5}}`:      `inner.interval 5: want a duration above zero, such as "1s"`,
		`{"inner": {"interval": "2h"}}`:   `inner.interval "2h": want a duration of at most 1h0m0s`,
		`{"inner": {"fall": 0}}`:          `inner.fall 0: want a whole number from 1 to 10`,
		`{"inner": {"fall": 11}}`:         `inner.fall 11: want a whole number from 1 to 10`,
		`{"inner": {"fall": 1.5}}`:        `inner.fall 1.5: want a whole number from 1 to 10`,
		`{"inner": {"fall": 1e99}}`:       `inner.fall 1e99: want a whole number from 1 to 10`,
		`{"inner": {"fall": null}}`:       `inner.fall null: want a value; leave the key out for its default`,
		`{"inner": null}`:                 `inner null: want a value; leave the key out for its default`,
		`{"inner": [1,2]}`:                `inner [...]: want a JSON object`,
		`{"inner": "x"}`:                  `inner "x": want a JSON object`,
		`{"on": "yes"}`:                   `on "yes": want true or false`,
		`{"on": {"password": "x"}}`:       `on {...}: want true or false`,
		`{"name": 7}`:                     `name 7: want a string of at most 8 bytes of valid Unicode`,
		`{"name": "ninebytes"}`:           `name "ninebytes": want a string of at most 8 bytes of valid Unicode`,
		`{"name": "\ud800"}`:              `name "\ud800": want a string of at most 8 bytes of valid Unicode`,
		`{"share": 1}`:                    `share 1: want a number from 0 up to, but not including, 1`,
		`{"share": -0.1}`:                 `share -0.1: want a number from 0 up to, but not including, 1`,
		`{"mode": "Fast"}`:                `mode "Fast": want "fast" or "slow"`,
		`{"mode": 1}`:                     `mode 1: want "fast" or "slow"`,
		`{"On": true}`:                    `On: ` + known,
		`{"password": "hunter2"}`:         `password: ` + known,
		`{"": 1}`:                         `"": ` + known,
		`{"a b": 1}`:                      `"a b": ` + known,
		`{"on": true, "on": false}`:       `on false: want each key only once`,
		`[]`:                              `[...]: want a JSON object`,
		`"x"`:                             `"x": want a JSON object`,
		`null`:                            `null: want a JSON object`,
		`{"on": true`:                     `want valid JSON (unexpected end of JSON input)`,
		`{} {}`:                           `want valid JSON (invalid character '{' after top-level value)`,
		`{"on": true, "bad": 1, "x": []}`: "bad: " + known + "\nx: " + known,
	} {
		_, err := parse(text)
		require.Error(t, err, text)
		assert.Equal(t, want, err.Error(), text)
		var e *configerr.Error
		assert.ErrorAs(t, err, &e, text)
	}
}

func TestObjectReportsABoundedNumberOfErrorsOfBoundedLength(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"name": "` + strings.Repeat("y", 10_000) + `"`)
	for i := range 1000 {
		fmt.Fprintf(&text, `, "%s%d": 1`, strings.Repeat("ключ", 100), i)
	}
	text.WriteString("}")
	_, err := parse(text.String())
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, fault.Max+1)
	for _, line := range lines {
		assert.LessOrEqual(t, len(line), 250)
	}
}

func TestFormatDurationIsReadBackExactly(t *testing.T) {
	assert.Equal(t, "0.5s", strictjson.FormatDuration(500*time.Millisecond))
	assert.Equal(t, "10s", strictjson.FormatDuration(10*time.Second))
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "d"))
		var got time.Duration
		err := strictjson.Duration(&got, 24*time.Hour)(json.RawMessage(`"` + strictjson.FormatDuration(d) + `"`))
		if err != nil || got != d {
			t.Fatalf("%v came back as %v, %v", d, got, err)
		}
	})
}
