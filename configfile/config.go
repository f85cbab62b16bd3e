package configfile

import (
	"encoding/json"
	"slices"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/resolver"
)

// Load reads a config file in YAML, which includes JSON, of at most 1 MiB. The file has
// the structure of cantonlb.Config, with each field's name in camel case as its key
// (docs/config.md lists them). The exceptions are the fields that hold code or
// credentials, which the program may set afterwards.
//
// The file is checked as cantonlb.NewClient would check it. An unknown key, a repeated
// key, a null, and a bad value are errors. Each is an *Error, and all are joined.
func Load(path string) (cantonlb.Config, error) {
	data, err := readFile(path)
	if err != nil {
		return cantonlb.Config{}, err
	}
	c, _, err := parseConfig(path, data)
	return c, err
}

// Parse is like Load for text that does not come from a file. Its errors have no File.
func Parse(data []byte) (cantonlb.Config, error) {
	c, _, err := parseConfig("", data)
	return c, err
}

// parseConfig also returns the document, for errors that are found later.
func parseConfig(file string, data []byte) (cantonlb.Config, *document, error) {
	document, err := parseDocument(file, data)
	if err != nil {
		return cantonlb.Config{}, nil, err
	}
	var c cantonlb.Config
	var faults fault.List
	if err := document.ofRouter(); err != nil {
		return c, nil, err
	}
	if role := document.role(); slices.Contains(jsonapi.Roles(), jsonapi.Role(role)) {
		return c, nil, document.locate(&configerr.Error{
			Field: "role", Value: fault.Quote(role), Problem: "is that of an HTTP service", Want: "NewJSONAPIClient, or the role of a gRPC service",
		})
	}
	faults.Add(strictjson.Object(document.json, keysOf(&c)))
	faults.AddOthers(c.Check())
	if err := faults.Err(); err != nil {
		return cantonlb.Config{}, nil, document.locate(err)
	}
	return c, document, nil
}

// reader reads the JSON of one value.
type reader = func(json.RawMessage) error

// keysOf returns the keys of a config file, each with the reader of its value.
func keysOf(c *cantonlb.Config) map[string]reader {
	return map[string]reader{
		"endpoints":         strictjson.Array(resolver.MaxEndpoints, readEndpoint(&c.Endpoints)),
		"name":              strictjson.String(&c.Name, limits.MaxClientName),
		"role":              strictjson.Enum(&c.Role, roles...),
		"policy":            strictjson.Enum(&c.Policy, cantonlb.HealthyRoundRobin, cantonlb.HealthyLeastLoaded, cantonlb.ActivePassive),
		"failover":          object(failoverKeys(&c.Failover)),
		"healthCheck":       readHealthCheck(&c.HealthCheck),
		"ejection":          object(ejectionKeys(&c.Ejection)),
		"noneEligible":      strictjson.Enum(&c.NoneEligible, noneEligible...),
		"handover":          strictjson.Enum(&c.Handover, cantonlb.HandoverKeep, cantonlb.HandoverImmediate),
		"deadAfter":         strictjson.Duration(&c.DeadAfter, healthcheck.MaxSetting),
		"zone":              strictjson.String(&c.Zone, resolver.MaxZone),
		"spillBelow":        strictjson.Share(&c.SpillBelow),
		"streamDrain":       strictjson.Duration(&c.StreamDrain, healthcheck.MaxSetting),
		"slowStart":         strictjson.Duration(&c.SlowStart, healthcheck.MaxSetting),
		"reresolveInterval": strictjson.Duration(&c.ReresolveInterval, limits.MaxReresolve),
		"idempotent":        strictjson.Array(maxIdempotent, readString(&c.Idempotent, maxMethod)),
		"maxAttempts":       strictjson.Int(&c.MaxAttempts, 1, limits.MaxAttempts),
		"retryBudget":       object(budgetKeys(&c.RetryBudget)),
		"hedge":             readHedge(&c.Hedge),
		"attemptTimeout":    strictjson.Duration(&c.AttemptTimeout, healthcheck.MaxSetting),
		"serviceConfig":     readServiceConfig(&c.ServiceConfig),
	}
}

func failoverKeys(f *cantonlb.Failover) map[string]reader {
	return map[string]reader{
		"failBack": strictjson.Enum(&f.FailBack, cantonlb.FailBackNever, cantonlb.FailBackAfterHold),
		"holdDown": strictjson.Duration(&f.HoldDown, healthcheck.MaxSetting),
		"drain":    strictjson.Duration(&f.Drain, healthcheck.MaxSetting),
	}
}

func ejectionKeys(e *cantonlb.Ejection) map[string]reader {
	return map[string]reader{
		"consecutiveFailures": strictjson.Int(&e.ConsecutiveFailures, 1, limits.MaxConsecutiveFailures),
		"baseTime":            strictjson.Duration(&e.BaseTime, healthcheck.MaxSetting),
		"maxTime":             strictjson.Duration(&e.MaxTime, healthcheck.MaxSetting),
	}
}

// readHedge reads the settings of hedges; an empty object sets the defaults.
func readHedge(dst **cantonlb.Hedge) reader {
	return func(raw json.RawMessage) error {
		h := new(cantonlb.Hedge)
		*dst = h
		return strictjson.Object(raw, map[string]reader{"delay": strictjson.Duration(&h.Delay, healthcheck.MaxSetting)})
	}
}

func budgetKeys(b *cantonlb.RetryBudget) map[string]reader {
	return map[string]reader{
		"share":     noneForZero(&b.Share, 1),
		"perSecond": noneForZero(&b.PerSecond, mostPerSecond),
	}
}

// roles lists the roles that a file may name.
var roles = []cantonlb.Role{
	cantonlb.Generic, cantonlb.DomainManager, cantonlb.Mediator, cantonlb.ParticipantAdmin, cantonlb.ParticipantLedger, cantonlb.Sequencer,
}

var noneEligible = []cantonlb.NoneEligible{cantonlb.FailFast, cantonlb.Wait, cantonlb.FailOpen}

// The bounds of values that need no bound of their own outside of a file.
const (
	maxIdempotent = 10_000
	maxMethod     = 1024
	mostPerSecond = 1_000_000
)

// readHealthCheck reads the settings of health checks. If they are bad and name a
// health target, it leaves a Config that needs no target, so that the target is not
// reported as missing.
func readHealthCheck(dst *healthcheck.Config) reader {
	return func(raw json.RawMessage) error {
		err := dst.UnmarshalJSON(raw)
		var keys map[string]json.RawMessage
		if err != nil && json.Unmarshal(raw, &keys) == nil {
			dst.Disabled = keys["grpcPort"] != nil || keys["http"] != nil
		}
		return err
	}
}

func object(keys map[string]reader) reader {
	return func(raw json.RawMessage) error { return strictjson.Object(raw, keys) }
}

func readEndpoint(list *[]cantonlb.Endpoint) func(int, json.RawMessage) error {
	return func(_ int, raw json.RawMessage) error {
		var e cantonlb.Endpoint
		err := error(&configerr.Error{Want: strictjson.WantObject}) // the value is not shown: it may be an address with a password
		if raw[0] == '{' {
			err = strictjson.Object(raw, endpointKeys(&e))
		}
		*list = append(*list, e) // a bad one too, so that indexes stay right
		return err
	}
}

func readString(list *[]string, limit int) func(int, json.RawMessage) error {
	return func(_ int, raw json.RawMessage) error {
		var s string
		err := strictjson.String(&s, limit)(raw)
		*list = append(*list, s)
		return err
	}
}

// readAddress leaves the checks of a string to the resolver, whose errors show no
// password.
func readAddress(dst *string) reader {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, dst) != nil {
			return &configerr.Error{Want: `host:port, or a URL such as "https://host:port"`}
		}
		return nil
	}
}

// noneForZero reads a number up to most, of which 0 means none. In Config a negative
// number means none, since 0 means the default there.
func noneForZero(dst *float64, most float64) reader {
	read := strictjson.Number(dst, 0, most)
	return func(raw json.RawMessage) error {
		if err := read(raw); err != nil {
			return err
		}
		if *dst == 0 {
			*dst = -1
		}
		return nil
	}
}

// readServiceConfig keeps an object as its JSON.
func readServiceConfig(dst *string) reader {
	return func(raw json.RawMessage) error {
		if raw[0] != '{' {
			return &configerr.Error{Want: strictjson.WantObject}
		}
		*dst = string(raw)
		return nil
	}
}
