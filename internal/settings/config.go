package settings

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/serviceconfig"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// NoneEligible says what happens to calls while no endpoint is eligible.
type NoneEligible string

// The policies for having no eligible endpoint.
const (
	// FailFast makes calls fail at once with an error that lists each endpoint's
	// reason, unless they wait for ready. It is the default.
	FailFast NoneEligible = "failFast"
	// Wait makes calls wait, up to their deadlines.
	Wait NoneEligible = "wait"
	// FailOpen sends calls in turn to the endpoints that are connected, whatever
	// their health. If none is connected, it acts as FailFast.
	FailOpen NoneEligible = "failOpen"
)

// Handover says what happens to the endpoints that a new list does not have.
type Handover string

// The policies for a new list.
const (
	// HandoverKeep keeps them in service until the new list can carry the calls. It is
	// the default.
	HandoverKeep Handover = "keep"
	// HandoverImmediate takes them out of service at once.
	HandoverImmediate Handover = "immediate"
)

// Ejection says when an endpoint is taken out of rotation because its calls fail
// although its probes pass.
type Ejection struct {
	// ConsecutiveFailures is how many calls in a row must fail.
	ConsecutiveFailures int
	// BaseTime is how long the first ejection lasts. Each one that follows closely
	// lasts longer, up to MaxTime.
	BaseTime, MaxTime time.Duration
}

// Config is the configuration of the policies, as in the service config. Make it
// with DefaultConfig or ParseConfig. Validate completes and checks it.
type Config struct {
	serviceconfig.LoadBalancingConfig

	HealthCheck  healthcheck.Config
	Ejection     Ejection
	NoneEligible NoneEligible
	Handover     Handover
	// StreamDrain is how long streams may continue on an endpoint that is drained,
	// unhealthy or no longer in the list; 0 means until they end. Only policies that
	// pick more than one endpoint have it.
	StreamDrain time.Duration
	// DeadAfter is how long a connection may show no sign of life before it is
	// closed.
	DeadAfter time.Duration
	// Zone is the client's zone. If it is set, calls go only to the endpoints of
	// this zone, as long as at least the share SpillBelow of them is eligible, and
	// otherwise to all eligible endpoints.
	Zone       string
	SpillBelow float64
	// LeastLoaded means that the less loaded of two endpoints is picked rather than
	// each in turn, and SlowStart how long it takes until an endpoint that becomes
	// eligible gets as many calls as the others. SlowStart is 0 for other policies.
	LeastLoaded bool
	SlowStart   time.Duration
	// Failover holds the additional settings of active_passive; it is nil for other
	// policies.
	Failover *Failover
}

// The defaults.
const (
	defaultConsecutiveFailures = 5
	defaultBaseTime            = time.Second
	defaultMaxTime             = time.Minute
	defaultDeadAfter           = 3 * time.Second
	defaultSlowStart           = 10 * time.Second
)

// Validate returns the configuration with defaults in place of zero values, or all
// its faults. Each fault is a *configerr.Error that names the key, the value and
// what would be valid.
func (c Config) Validate() (Config, error) {
	var faults fault.List
	health, err := c.HealthCheck.WithDefaults()
	faults.AddIn("healthCheck", err)
	c.HealthCheck = health
	duration := func(field string, d *time.Duration, byDefault time.Duration) {
		if *d == 0 {
			*d = byDefault
		}
		faults.Check(*d > 0, field, fmt.Sprintf("%q", *d), strictjson.WantDuration)
		strictjson.CheckUnit(&faults, field, *d)
		faults.Check(*d <= healthcheck.MaxSetting, field, fmt.Sprintf("%q", *d), "a duration of at most "+healthcheck.MaxSetting.String())
	}
	e := &c.Ejection
	e.ConsecutiveFailures = cmp.Or(e.ConsecutiveFailures, defaultConsecutiveFailures)
	faults.Check(e.ConsecutiveFailures > 0 && e.ConsecutiveFailures <= limits.MaxConsecutiveFailures, "ejection.consecutiveFailures",
		strconv.Itoa(e.ConsecutiveFailures), fmt.Sprintf("a whole number from 1 to %d", limits.MaxConsecutiveFailures))
	duration("ejection.baseTime", &e.BaseTime, min(defaultBaseTime, positive(e.MaxTime, defaultBaseTime)))
	duration("ejection.maxTime", &e.MaxTime, max(defaultMaxTime, e.BaseTime))
	faults.Check(e.BaseTime <= e.MaxTime || e.MaxTime <= 0, "ejection.baseTime",
		fmt.Sprintf("%q", e.BaseTime), fmt.Sprintf("a duration not above maxTime %q", e.MaxTime))
	duration("deadAfter", &c.DeadAfter, defaultDeadAfter)
	faults.Check(isZone(c.Zone), "zone", fault.Quote(c.Zone),
		fmt.Sprintf("printable text of at most %d bytes with no space at its ends", resolver.MaxZone))
	c.SpillBelow = cmp.Or(c.SpillBelow, defaultSpillBelow)
	faults.Check(c.SpillBelow > 0 && c.SpillBelow <= 1, "spillBelow", fmt.Sprint(c.SpillBelow), strictjson.WantShare) // also excludes NaN
	if c.LeastLoaded {
		duration("slowStart", &c.SlowStart, defaultSlowStart)
	}
	if c.Failover != nil {
		f := *c.Failover
		c.Failover = &f
		duration("holdDown", &f.HoldDown, selector.DefaultHoldDown)
		duration("drain", &f.Drain, defaultDrain)
		f.FailBack = cmp.Or(f.FailBack, selector.FailBackNever)
		oneOf(&faults, "failBack", f.FailBack, selector.FailBackNever, selector.FailBackAfterHold)
	}
	c.NoneEligible = cmp.Or(c.NoneEligible, FailFast)
	oneOf(&faults, "noneEligible", c.NoneEligible, FailFast, Wait, FailOpen)
	faults.Check(c.StreamDrain >= 0 && c.StreamDrain <= healthcheck.MaxSetting, "streamDrain", fmt.Sprintf("%q", c.StreamDrain),
		"a duration of at most "+healthcheck.MaxSetting.String()+"; none for as long as the streams last")
	strictjson.CheckUnit(&faults, "streamDrain", c.StreamDrain)
	c.Handover = cmp.Or(c.Handover, HandoverKeep)
	oneOf(&faults, "handover", c.Handover, HandoverKeep, HandoverImmediate)
	return c, faults.Err()
}

// oneOf adds a fault unless value is one of the allowed ones.
func oneOf[T ~string](faults *fault.List, field string, value T, values ...T) {
	faults.Check(slices.Contains(values, value), field, fault.Quote(value), strictjson.OneOf(values...))
}

func isZone(zone string) bool {
	return len(zone) <= resolver.MaxZone && strings.TrimSpace(zone) == zone && cleantext.Printable(zone)
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// DefaultConfig returns the defaults, which are valid.
func DefaultConfig() Config {
	c, _ := Config{}.Validate()
	return c
}

// ParseConfig reads the JSON of healthy_round_robin. It is stricter than grpc's own policies: a key that is unknown or given twice, a null,
// and an invalid value are errors that name it, because a misspelt key must not
// switch health checking off.
func ParseConfig(data []byte) (*Config, error) { return parse(data, Config{}) }

// ParseLeastLoaded reads the JSON of healthy_least_loaded, as strictly as ParseConfig.
func ParseLeastLoaded(data []byte) (*Config, error) { return parse(data, Config{LeastLoaded: true}) }

func parse(data []byte, c Config) (*Config, error) {
	e := &c.Ejection
	keys := map[string]func(json.RawMessage) error{
		"healthCheck": func(raw json.RawMessage) error { return c.HealthCheck.UnmarshalJSON(raw) },
		"ejection": func(raw json.RawMessage) error {
			return strictjson.Object(raw, map[string]func(json.RawMessage) error{
				"consecutiveFailures": strictjson.Int(&e.ConsecutiveFailures, 1, limits.MaxConsecutiveFailures),
				"baseTime":            strictjson.Duration(&e.BaseTime, healthcheck.MaxSetting),
				"maxTime":             strictjson.Duration(&e.MaxTime, healthcheck.MaxSetting),
			})
		},
		"noneEligible": strictjson.Enum(&c.NoneEligible, FailFast, Wait, FailOpen),
		"handover":     strictjson.Enum(&c.Handover, HandoverKeep, HandoverImmediate),
		"deadAfter":    strictjson.Duration(&c.DeadAfter, healthcheck.MaxSetting),
	}
	if c.Failover != nil {
		maps.Copy(keys, c.Failover.keys())
	} else {
		keys["zone"] = strictjson.String(&c.Zone, resolver.MaxZone)
		keys["spillBelow"] = strictjson.Share(&c.SpillBelow)
		keys["streamDrain"] = strictjson.Duration(&c.StreamDrain, healthcheck.MaxSetting)
	}
	if c.LeastLoaded {
		keys["slowStart"] = strictjson.Duration(&c.SlowStart, healthcheck.MaxSetting)
	}
	var faults fault.List
	faults.Add(strictjson.Object(data, keys))
	checked, err := c.Validate()
	faults.AddOthers(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &checked, nil
}

// MarshalJSON returns the JSON that the function that parses the configuration of the
// policy reads, with every key.
func (c Config) MarshalJSON() ([]byte, error) {
	type ejection struct {
		ConsecutiveFailures int    `json:"consecutiveFailures"`
		BaseTime            string `json:"baseTime"`
		MaxTime             string `json:"maxTime"`
	}
	return json.Marshal(struct {
		HealthCheck  healthcheck.Config `json:"healthCheck"`
		Ejection     ejection           `json:"ejection"`
		NoneEligible NoneEligible       `json:"noneEligible"`
		Handover     Handover           `json:"handover"`
		DeadAfter    string             `json:"deadAfter"`
		*zonesJSON
		*failoverJSON
	}{
		HealthCheck: c.HealthCheck,
		Ejection: ejection{
			ConsecutiveFailures: c.Ejection.ConsecutiveFailures,
			BaseTime:            strictjson.FormatDuration(c.Ejection.BaseTime),
			MaxTime:             strictjson.FormatDuration(c.Ejection.MaxTime),
		},
		NoneEligible: c.NoneEligible,
		Handover:     c.Handover,
		DeadAfter:    strictjson.FormatDuration(c.DeadAfter),
		zonesJSON:    c.zones(),
		failoverJSON: c.Failover.json(),
	})
}

// zonesJSON holds the keys of policies that pick more than one endpoint.
type zonesJSON struct {
	Zone       string  `json:"zone"`
	SpillBelow float64 `json:"spillBelow"`
	SlowStart  string  `json:"slowStart,omitempty"`
	// StreamDrain is left out if there is none, since it has no value for that.
	StreamDrain string `json:"streamDrain,omitempty"`
}

func (c Config) zones() *zonesJSON {
	if c.Failover != nil {
		return nil
	}
	z := &zonesJSON{Zone: c.Zone, SpillBelow: c.SpillBelow}
	if c.LeastLoaded {
		z.SlowStart = strictjson.FormatDuration(c.SlowStart)
	}
	if c.StreamDrain > 0 {
		z.StreamDrain = strictjson.FormatDuration(c.StreamDrain)
	}
	return z
}

// defaultSpillBelow is the least share of the zone's endpoints that must be
// eligible for calls to stay in the zone.
const defaultSpillBelow = 0.5
