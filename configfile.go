package cantonlb

import (
	"encoding/json"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/configfile"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// FileError says what is wrong with a config file, and where: File, Line and
// Column, both of these 0 if it is about the file as a whole, and Err. Find it
// with errors.As; an error about several values joins one for each. Its text is,
// for example,
//
//	lb.yaml:7:13: endpoints[1].weight 200: want a whole number from 1 to 100
type FileError = configfile.Error

// LoadConfig reads a config file: YAML, and so JSON as well, of at most 1 MiB. It
// has the structure of Config, with each field's name in camel case as its key
// (docs/config.md lists them), but for the fields that hold code or credentials,
// which the program may set afterwards.
//
// The file is checked as NewClient would check it. A key that is unknown or given
// twice, a null, and a bad value are errors: each is a *FileError, and several are
// joined.
func LoadConfig(path string) (Config, error) {
	data, err := configfile.Read(path)
	if err != nil {
		return Config{}, err
	}
	c, _, err := parseConfig(path, data)
	return c, err
}

// ParseConfig is LoadConfig for text that does not come from a file. Its errors
// have no File.
func ParseConfig(data []byte) (Config, error) {
	c, _, err := parseConfig("", data)
	return c, err
}

// parseConfig gives the document as well, for errors that turn up later.
func parseConfig(file string, data []byte) (Config, *configfile.Document, error) {
	document, err := configfile.Parse(file, data)
	if err != nil {
		return Config{}, nil, err
	}
	var c Config
	err = strictjson.Object(document.JSON, c.keys())
	if err == nil && len(c.Endpoints) == 0 {
		err = &strictjson.Error{Field: "endpoints", Want: "at least one endpoint"}
	}
	if err == nil {
		_, err = newEquipment(c)
	}
	if err == nil {
		err = tryServiceConfig(c.ServiceConfig)
	}
	if err != nil {
		return Config{}, nil, document.Locate(err)
	}
	return c, document, nil
}

// tryServiceConfig finds out what grpc says of a service config, by making a
// channel that connects to nothing.
func tryServiceConfig(text string) error {
	if text == "" {
		return nil
	}
	conn, err := grpc.NewClient("passthrough:///unused", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(text))
	if err != nil {
		return &strictjson.Error{Field: "serviceConfig", Want: "one that grpc takes (" + cleantext.Detail(err.Error()) + ")"}
	}
	return conn.Close()
}

// reader takes the JSON of one value.
type reader = func(json.RawMessage) error

// keys are the keys of a config file, each with what reads its value.
func (c *Config) keys() map[string]reader {
	return map[string]reader{
		"endpoints":         strictjson.Array(resolver.MaxEndpoints, readEndpoint(&c.Endpoints)),
		"name":              strictjson.String(&c.Name, nameLimit),
		"role":              strictjson.Enum(&c.Role, slices.Sorted(maps.Keys(presets))...),
		"policy":            strictjson.Enum(&c.Policy, HealthyRoundRobin, ActivePassive),
		"failover":          object(c.Failover.keys()),
		"healthCheck":       func(raw json.RawMessage) error { return c.HealthCheck.UnmarshalJSON(raw) },
		"ejection":          object(c.Ejection.keys()),
		"noneEligible":      strictjson.Enum(&c.NoneEligible, FailFast, Wait, FailOpen),
		"deadAfter":         strictjson.Duration(&c.DeadAfter, healthcheck.MaxSetting),
		"zone":              strictjson.String(&c.Zone, resolver.MaxZone),
		"spillBelow":        strictjson.Share(&c.SpillBelow),
		"reresolveInterval": strictjson.Duration(&c.ReresolveInterval, maxReresolve),
		"idempotent":        strictjson.Array(maxIdempotent, readString(&c.Idempotent, maxMethod)),
		"maxAttempts":       strictjson.Int(&c.MaxAttempts, 1, mostAttempts),
		"retryBudget":       object(c.RetryBudget.keys()),
		"serviceConfig":     readServiceConfig(&c.ServiceConfig),
	}
}

func (f *Failover) keys() map[string]reader {
	return map[string]reader{
		"failBack": strictjson.Enum(&f.FailBack, FailBackNever, FailBackAfterHold),
		"holdDown": strictjson.Duration(&f.HoldDown, healthcheck.MaxSetting),
		"drain":    strictjson.Duration(&f.Drain, healthcheck.MaxSetting),
	}
}

func (e *Ejection) keys() map[string]reader {
	return map[string]reader{
		"consecutiveFailures": strictjson.Int(&e.ConsecutiveFailures, 1, mostFailures),
		"baseTime":            strictjson.Duration(&e.BaseTime, healthcheck.MaxSetting),
		"maxTime":             strictjson.Duration(&e.MaxTime, healthcheck.MaxSetting),
	}
}

func (b *RetryBudget) keys() map[string]reader {
	return map[string]reader{
		"share":     noneForZero(&b.Share, 1),
		"perSecond": noneForZero(&b.PerSecond, mostPerSecond),
	}
}

// The bounds of what stands in a file only so that it is bounded.
const (
	maxIdempotent = 10_000
	maxMethod     = 1024
	mostFailures  = 1_000_000
	mostPerSecond = 1_000_000
)

func object(keys map[string]reader) reader {
	return func(raw json.RawMessage) error { return strictjson.Object(raw, keys) }
}

func readEndpoint(list *[]Endpoint) func(int, json.RawMessage) error {
	return func(_ int, raw json.RawMessage) error {
		if raw[0] != '{' { // not shown: it may be an address with a password
			return &strictjson.Error{Want: strictjson.WantObject}
		}
		var e Endpoint
		err := strictjson.Object(raw, endpointKeys(&e))
		*list = append(*list, e)
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

// readAddress leaves the checks of a string to the resolver, whose error shows no
// password.
func readAddress(dst *string) reader {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, dst) != nil {
			return &strictjson.Error{Want: `host:port, or a URL such as "https://host:port"`}
		}
		return nil
	}
}

// noneForZero reads a number up to most, of which 0 means none: in Config that is
// negative, since 0 is the default there.
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
			return &strictjson.Error{Want: strictjson.WantObject}
		}
		*dst = string(raw)
		return nil
	}
}
