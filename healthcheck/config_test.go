package healthcheck

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/checking"
)

const defaultJSON = `{"service":"","interval":"1s","timeout":"auto","suspectInterval":"0.1s","silence":"0.3s",` +
	`"fall":2,"rise":2,"jitter":0.2,"watch":true,"onUnimplemented":"connectivity","http":"","grpcPort":0,"disabled":false}`

func defaults(change func(*Config)) Config {
	c := Config{
		Interval: time.Second, SuspectInterval: 100 * time.Millisecond, Silence: 300 * time.Millisecond,
		Fall: 2, Rise: 2, Jitter: 0.2, OnUnimplemented: OnUnimplementedConnectivity,
	}
	change(&c)
	return c
}

func TestTheZeroConfigMeansTheDefaults(t *testing.T) {
	got, err := Config{}.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, defaults(func(*Config) {}), got)
}

func TestTheSuspectIntervalIsNeverAboveTheIntervalByDefault(t *testing.T) {
	got, err := Config{Interval: 50 * time.Millisecond}.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, 50*time.Millisecond, got.SuspectInterval)
}

func TestWithDefaultsKeepsWhatIsSetAndIsDoneOnceForAll(t *testing.T) {
	in := Config{
		Disabled: true, Service: "mediator", Interval: 2 * time.Second, Timeout: 2 * time.Second,
		SuspectInterval: 2 * time.Second, Silence: time.Minute, Fall: 1, Rise: maxThreshold, Jitter: NoJitter,
		NoWatch: true, OnUnimplemented: OnUnimplementedUnhealthy, GRPCPort: 65535,
	}
	got, err := in.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, in, got)
	again, err := got.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, got, again)
}

func TestABadConfigNamesEachFieldValueAndWhatWouldBeRight(t *testing.T) {
	const duration = `want a duration above zero, such as "1s"`
	for want, c := range map[string]Config{
		`interval "-1s": ` + duration:                                                  {Interval: -time.Second},
		`timeout "-1s": want "auto" or a duration above zero, such as "1s"`:            {Timeout: -time.Second},
		`suspectInterval "-1s": ` + duration:                                           {SuspectInterval: -time.Second},
		`silence "-1ns": ` + duration:                                                  {Silence: -1},
		`interval "24h0m0.000000001s": want a duration of at most 24h0m0s`:             {Interval: MaxSetting + 1},
		`fall -1: want a whole number from 1 to 1000`:                                  {Fall: -1},
		`rise 1001: want a whole number from 1 to 1000`:                                {Rise: 1001},
		`jitter 1: want a number above 0 and below 1, or NoJitter`:                     {Jitter: 1},
		`jitter -0.5: want a number above 0 and below 1, or NoJitter`:                  {Jitter: -0.5},
		`jitter NaN: want a number above 0 and below 1, or NoJitter`:                   {Jitter: math.NaN()},
		`onUnimplemented "maybe": want "connectivity" or "unhealthy"`:                  {OnUnimplemented: "maybe"},
		`grpcPort 65536: want a whole number from 1 to 65535`:                          {GRPCPort: 65536},
		`grpcPort -1: want a whole number from 1 to 65535`:                             {GRPCPort: -1, Disabled: true},
		`timeout "1.5s": want "auto" or a duration up to the interval of 1s`:           {Timeout: 1500 * time.Millisecond},
		`suspectInterval "2s": want a duration up to the interval of 1s`:               {SuspectInterval: 2 * time.Second},
		`service "a\nb": want at most 512 bytes of printable characters`:               {Service: "a\nb"},
		`service "\xff": want at most 512 bytes of printable characters`:               {Service: "\xff"},
		`grpcPort 7: want 0, since http is set: the health target is one or the other`: {GRPCPort: 7, HTTP: "http://{host}/"},
	} {
		got, err := c.WithDefaults()
		require.EqualError(t, err, want)
		assert.Zero(t, got)
		var e *configerr.Error
		require.ErrorAs(t, err, &e)
		assert.True(t, strings.HasPrefix(want, e.Field+" "), e.Field)
	}
	_, err := Config{Fall: -1, Interval: -time.Second}.WithDefaults()
	require.EqualError(t, err, `interval "-1s": `+duration+"\nfall -1: want a whole number from 1 to 1000")
	_, err = Config{Service: strings.Repeat("x", MaxService+1)}.WithDefaults()
	require.ErrorContains(t, err, "want at most 512 bytes")
	assert.Less(t, len(err.Error()), 200)
}

func TestTheHTTPTemplateMustBecomeAnAbsoluteURLWithoutSecretsInTheError(t *testing.T) {
	for _, good := range []string{
		"http://{host}:8080/health", "https://{host}/readyz?verbose", "http://health.example/{host}", "http://[::1]:80/",
	} {
		_, err := Config{HTTP: good}.WithDefaults()
		assert.NoError(t, err, good)
	}
	for bad, shown := range map[string]string{
		"{host}:8080/health":                    `"{host}:8080/health"`,
		"/health":                               `"/health"`,
		"ftp://{host}/":                         `"ftp://{host}/"`,
		"http:///health":                        `"http:///health"`,
		"http://:80/":                           `"http://:80/"`,
		"http://{host}:0/":                      `"http://{host}:0/"`,
		"http://{host}:65536/":                  `"http://{host}:65536/"`,
		"http://{host}:x/":                      `"http://{host}:x/"`,
		"http://{host}/\n":                      `"http://{host}/\n"`,
		"http://user:hunter2@{host}/":           `"http://...@{host}/"`,
		"http://user:hunter2@{host}:x/?hunter2": `"http://...@{host}:x/?..."`,
		"user:hunter2@{host}":                   `"...@{host}"`,
		"ftp://{host}/?token=hunter2":           `"ftp://{host}/?..."`,
	} {
		_, err := Config{HTTP: bad}.WithDefaults()
		require.Error(t, err, bad)
		assert.Equal(t, "http "+shown+": want "+wantHTTP, err.Error())
	}
	_, err := Config{HTTP: "http://{host}/" + strings.Repeat("x", maxHTTP)}.WithDefaults()
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 250)
}

func TestHTTPURLPutsTheHostIntoTheTemplate(t *testing.T) {
	c := Config{HTTP: "http://{host}:8080/health"}
	for host, want := range map[string]string{
		"10.0.0.1":     "http://10.0.0.1:8080/health",
		"seq1.example": "http://seq1.example:8080/health",
		"::1":          "http://[::1]:8080/health",
		"[::1]":        "http://[::1]:8080/health",
		"fe80::1%eth0": "http://[fe80::1%25eth0]:8080/health",
	} {
		assert.Equal(t, want, c.HTTPURL(host))
	}
	assert.Empty(t, Config{}.HTTPURL("10.0.0.1"))
}

func TestAnEmptyObjectIsTheDefaultsAndMarshalWritesAllOfThem(t *testing.T) {
	var c Config
	require.NoError(t, json.Unmarshal([]byte(`{}`), &c))
	assert.Equal(t, defaults(func(*Config) {}), c)
	for _, c := range []Config{{}, c} {
		text, err := json.Marshal(c)
		require.NoError(t, err)
		assert.Equal(t, defaultJSON, string(text))
	}
	require.NoError(t, json.Unmarshal([]byte(defaultJSON), &c))
	assert.Equal(t, defaults(func(*Config) {}), c)
	_, err := json.Marshal(Config{Fall: -1})
	require.ErrorContains(t, err, "fall -1")
}

func TestEveryKeySetsItsField(t *testing.T) {
	for text, change := range map[string]func(*Config){
		`{"service":"mediator"}`:          func(c *Config) { c.Service = "mediator" },
		`{"interval":"500ms"}`:            func(c *Config) { c.Interval = 500 * time.Millisecond },
		`{"timeout":"0.5s"}`:              func(c *Config) { c.Timeout = 500 * time.Millisecond },
		`{"timeout":"auto"}`:              func(*Config) {},
		`{"suspectInterval":"0.2s"}`:      func(c *Config) { c.SuspectInterval = 200 * time.Millisecond },
		`{"silence":"1s"}`:                func(c *Config) { c.Silence = time.Second },
		`{"fall":1}`:                      func(c *Config) { c.Fall = 1 },
		`{"rise":5}`:                      func(c *Config) { c.Rise = 5 },
		`{"jitter":0}`:                    func(c *Config) { c.Jitter = NoJitter },
		`{"jitter":0.5}`:                  func(c *Config) { c.Jitter = 0.5 },
		`{"watch":false}`:                 func(c *Config) { c.NoWatch = true },
		`{"onUnimplemented":"unhealthy"}`: func(c *Config) { c.OnUnimplemented = OnUnimplementedUnhealthy },
		`{"http":"http://{host}/h?a&b"}`:  func(c *Config) { c.HTTP = "http://{host}/h?a&b" },
		`{"grpcPort":10043}`:              func(c *Config) { c.GRPCPort = 10043 },
		`{"disabled":true}`:               func(c *Config) { c.Disabled = true },
	} {
		var c Config
		require.NoError(t, json.Unmarshal([]byte(text), &c), text)
		assert.Equal(t, defaults(change), c, text)
		again, err := json.Marshal(c)
		require.NoError(t, err)
		var back Config
		require.NoError(t, json.Unmarshal(again, &back))
		assert.Equal(t, c, back, text)
	}
}

func TestBadJSONNamesTheKeyAndLeavesTheConfigAsItWas(t *testing.T) {
	const known = "want a known key: disabled, fall, grpcPort, http, interval, jitter, onUnimplemented, rise, service, " +
		"silence, suspectInterval, timeout, watch"
	for text, want := range map[string]string{
		`{"interval":"-1s"}`:          `interval "-1s": want a duration above zero, such as "1s"`,
		`{"interval":1}`:              `interval 1: want a duration above zero, such as "1s"`,
		`{"timeout":"0s"}`:            `timeout "0s": want "auto" or a duration above zero, such as "1s"`,
		`{"timeout":"Auto"}`:          `timeout "Auto": want "auto" or a duration above zero, such as "1s"`,
		`{"timeout":"25h"}`:           `timeout "25h": want a duration of at most 24h0m0s`,
		`{"timeout":"2s"}`:            `timeout "2s": want "auto" or a duration up to the interval of 1s`,
		`{"fall":0}`:                  `fall 0: want a whole number from 1 to 1000`,
		`{"jitter":-1}`:               `jitter -1: want a number from 0 up to, but not including, 1`,
		`{"http":["http://u:p@h"]}`:   `http: want ` + wantHTTP,
		`{"http":"x"}`:                `http "x": want ` + wantHTTP,
		`{"watch":null}`:              `watch null: want a value; leave the key out for its default`,
		`{"noWatch":true}`:            `noWatch: ` + known,
		`{"fall":1,"fall":1}`:         `fall 1: want each key only once`,
		`null`:                        `null: want a JSON object`,
		`{"disabled":true,"rise":-2}`: `rise -2: want a whole number from 1 to 1000`,
	} {
		c := Config{Fall: 7}
		err := json.Unmarshal([]byte(text), &c)
		require.EqualError(t, err, want)
		assert.Equal(t, Config{Fall: 7}, c, text)
	}
}

func TestAServiceNameThatJSONCannotCarryIsRefused(t *testing.T) {
	for _, name := range []string{"\uFFFD", "\xff", "a\nb"} {
		_, err := Config{Service: name}.WithDefaults()
		require.ErrorContains(t, err, "want at most 512 bytes of printable characters")
	}
}

func TestEveryValidConfigSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(MaxSetting)).Draw(t, "ns"))
		})
		in := Config{
			Disabled: rapid.Bool().Draw(t, "disabled"), NoWatch: rapid.Bool().Draw(t, "noWatch"),
			Interval: duration.Draw(t, "interval"), Timeout: duration.Draw(t, "timeout"),
			SuspectInterval: duration.Draw(t, "suspect"), Silence: duration.Draw(t, "silence"),
			Fall: rapid.IntRange(-1, 9).Draw(t, "fall"), Rise: rapid.IntRange(0, 9).Draw(t, "rise"),
			Jitter: rapid.Float64Range(-1, 1).Draw(t, "jitter"), Service: rapid.String().Draw(t, "service"),
			GRPCPort: rapid.IntRange(-1, 70000).Draw(t, "port"),
		}
		want, err := in.WithDefaults()
		if err != nil {
			return
		}
		text, err := json.Marshal(in)
		require.NoError(t, err)
		var got Config
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	})
}

func FuzzConfigJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		if err := c.UnmarshalJSON(data); err != nil {
			var e *configerr.Error
			if len(err.Error()) > 4096 || !errors.As(err, &e) {
				t.Fatalf("%d bytes of error: %v", len(err.Error()), err)
			}
			if c != (Config{}) {
				t.Fatalf("an error left %+v behind", c)
			}
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		var back Config
		if err := json.Unmarshal(text, &back); err != nil || back != c {
			t.Fatalf("%s gave %+v, want %+v: %v", text, back, c, err)
		}
	})
}

func TestSettingsAreThoseOfTheConfig(t *testing.T) {
	c, err := Config{Fall: 3, Rise: 4, Timeout: time.Second, Jitter: NoJitter, NoWatch: true}.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, checking.Settings{
		Thresholds: checking.Thresholds{Fall: 3, Rise: 4},
		Interval:   time.Second, SuspectInterval: 100 * time.Millisecond, Timeout: time.Second, NoWatch: true,
	}, c.Settings())
	assert.InDelta(t, defaultJitter, mustDefault(t).Settings().Jitter, 0)
}

func mustDefault(t *testing.T) Config {
	t.Helper()
	c, err := Config{}.WithDefaults()
	require.NoError(t, err)
	return c
}
