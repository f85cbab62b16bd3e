package settings

import (
	"encoding/json"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// Failover holds the part of a Config that only active_passive has. Its zero value
// means the defaults.
type Failover struct {
	FailBack selector.FailBack
	HoldDown time.Duration
	// Drain is how long streams may continue on an endpoint that is no longer the
	// active one.
	Drain time.Duration
}

const defaultDrain = 5 * time.Second

// DefaultActivePassive returns the defaults of active_passive, which are valid.
func DefaultActivePassive() Config {
	c, _ := Config{Failover: new(Failover)}.Validate()
	return c
}

// ParseActivePassive reads the JSON of active_passive, as strictly as ParseConfig.
func ParseActivePassive(data []byte) (*Config, error) {
	return parse(data, Config{Failover: new(Failover)})
}

// keys returns the decoders of the JSON keys.
func (f *Failover) keys() map[string]func(json.RawMessage) error {
	return map[string]func(json.RawMessage) error{
		"failBack": strictjson.Enum(&f.FailBack, selector.FailBackNever, selector.FailBackAfterHold),
		"holdDown": strictjson.Duration(&f.HoldDown, healthcheck.MaxSetting),
		"drain":    strictjson.Duration(&f.Drain, healthcheck.MaxSetting),
	}
}

// IsFailoverKey reports whether a key of the JSON of active_passive belongs to
// Failover.
func IsFailoverKey(key string) bool {
	_, ok := new(Failover).keys()[key]
	return ok
}

// failoverJSON is the JSON form of Failover.
type failoverJSON struct {
	FailBack selector.FailBack `json:"failBack"`
	HoldDown string            `json:"holdDown"`
	Drain    string            `json:"drain"`
}

func (f *Failover) json() *failoverJSON {
	if f == nil {
		return nil
	}
	return &failoverJSON{
		FailBack: f.FailBack,
		HoldDown: strictjson.FormatDuration(f.HoldDown),
		Drain:    strictjson.FormatDuration(f.Drain),
	}
}

// Selector returns the settings of the choice of the active endpoint.
func (f *Failover) Selector() selector.Config {
	return selector.Config{FailBack: f.FailBack, HoldDown: f.HoldDown}
}
