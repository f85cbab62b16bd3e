package healthcheck

import (
	"encoding/json"
	"math"
	"time"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// autoTimeout is the value of "timeout" that means Config.Timeout 0.
const autoTimeout = "auto"

// UnmarshalJSON reads the settings from a JSON object and completes them by
// WithDefaults, so that c holds every setting as it takes effect. All keys may be
// left out:
//
//	{"service": "", "interval": "1s", "timeout": "auto", "suspectInterval": "0.1s",
//	 "silence": "0.3s", "fall": 2, "rise": 2, "jitter": 0.2, "watch": true,
//	 "onUnimplemented": "connectivity", "http": "", "grpcPort": 0, "disabled": false}
//
// Unknown keys, keys given twice, nulls, and durations and counts of zero are
// errors. An error is a *configerr.Error, or several of them joined, and leaves c as
// it was. "jitter": 0 is NoJitter.
func (c *Config) UnmarshalJSON(data []byte) error {
	var n Config
	watch, jitter := true, float64(defaultJitter)
	var faults fault.List
	faults.Add(strictjson.Object(data, map[string]func(json.RawMessage) error{
		"service":         strictjson.String(&n.Service, MaxService),
		"interval":        strictjson.Duration(&n.Interval, MaxSetting),
		"timeout":         decodeTimeout(&n.Timeout),
		"suspectInterval": strictjson.Duration(&n.SuspectInterval, MaxSetting),
		"silence":         strictjson.Duration(&n.Silence, MaxSetting),
		"fall":            strictjson.Int(&n.Fall, 1, maxThreshold),
		"rise":            strictjson.Int(&n.Rise, 1, maxThreshold),
		"jitter":          strictjson.Float(&jitter, 0, 1),
		"watch":           strictjson.Bool(&watch),
		"onUnimplemented": strictjson.Enum(&n.OnUnimplemented, OnUnimplementedConnectivity, OnUnimplementedUnhealthy),
		"http":            decodeHTTP(&n.HTTP),
		"grpcPort":        strictjson.Int(&n.GRPCPort, 0, math.MaxUint16),
		"disabled":        strictjson.Bool(&n.Disabled),
	}))
	n.NoWatch = !watch
	n.Jitter = jitter
	if jitter == 0 {
		n.Jitter = NoJitter
	}
	checked := n
	if faults.Has("interval") { // values that must be shorter are not compared with the default
		checked.Interval = MaxSetting
	}
	faults.AddOthers(checked.check())
	if err := faults.Err(); err != nil {
		return err
	}
	n, err := n.WithDefaults()
	if err == nil {
		*c = n
	}
	return err
}

func decodeTimeout(dst *time.Duration) func(json.RawMessage) error {
	duration := strictjson.Duration(dst, MaxSetting)
	return func(value json.RawMessage) error {
		var text string
		if json.Unmarshal(value, &text) == nil && text == autoTimeout {
			return nil
		}
		err := duration(value)
		if e, ok := err.(*configerr.Error); ok && e.Want == strictjson.WantDuration { //nolint:errorlint // made just above
			e.Want = wantTimeout
		}
		return err
	}
}

// decodeHTTP leaves the checks of the string to WithDefaults, whose error shows no
// secret.
func decodeHTTP(dst *string) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		if json.Unmarshal(value, dst) != nil {
			return &configerr.Error{Want: wantHTTP}
		}
		return nil
	}
}

// MarshalJSON writes every setting as it takes effect: the result holds all keys
// and the defaults, and UnmarshalJSON turns it into what WithDefaults returns for
// c. An invalid Config is an error.
func (c Config) MarshalJSON() ([]byte, error) {
	c, err := c.WithDefaults()
	if err != nil {
		return nil, err
	}
	timeout := autoTimeout
	if c.Timeout > 0 {
		timeout = strictjson.FormatDuration(c.Timeout)
	}
	return json.Marshal(struct {
		Service         string          `json:"service"`
		Interval        string          `json:"interval"`
		Timeout         string          `json:"timeout"`
		SuspectInterval string          `json:"suspectInterval"`
		Silence         string          `json:"silence"`
		Fall            int             `json:"fall"`
		Rise            int             `json:"rise"`
		Jitter          float64         `json:"jitter"`
		Watch           bool            `json:"watch"`
		OnUnimplemented OnUnimplemented `json:"onUnimplemented"`
		HTTP            string          `json:"http"`
		GRPCPort        int             `json:"grpcPort"`
		Disabled        bool            `json:"disabled"`
	}{
		Service: c.Service, Interval: strictjson.FormatDuration(c.Interval), Timeout: timeout,
		SuspectInterval: strictjson.FormatDuration(c.SuspectInterval), Silence: strictjson.FormatDuration(c.Silence),
		Fall: c.Fall, Rise: c.Rise, Jitter: max(c.Jitter, 0), Watch: !c.NoWatch,
		OnUnimplemented: c.OnUnimplemented, HTTP: c.HTTP, GRPCPort: c.GRPCPort, Disabled: c.Disabled,
	})
}
