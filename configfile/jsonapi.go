package configfile

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/resolver"
)

// LoadJSONAPI is like Load for the client of an HTTP service. The file has the structure
// of jsonapi.Config, and the same keys as that of a gRPC client where both have the same
// setting. It must have a role, which is one of jsonapi.Roles. If it has none, or another
// one, that is the only error, since the file is for another kind of client.
func LoadJSONAPI(path string) (jsonapi.Config, error) {
	data, err := readFile(path)
	if err != nil {
		return jsonapi.Config{}, err
	}
	c, _, err := parseJSONAPI(path, data)
	return c, err
}

// ParseJSONAPI is like LoadJSONAPI for text that does not come from a file. Its errors
// have no File.
func ParseJSONAPI(data []byte) (jsonapi.Config, error) {
	c, _, err := parseJSONAPI("", data)
	return c, err
}

// NewJSONAPIClient returns a client of an HTTP service that is configured by a config file
// (see LoadJSONAPI), and follows the endpoints in the file as the client of NewClient
// does, until it is closed. Errors are those of LoadJSONAPI, and those of jsonapi.New with
// the position in the file.
func NewJSONAPIClient(path string) (*jsonapi.Client, error) {
	return NewJSONAPIClientWith(path, nil)
}

// NewJSONAPIClientWith is like NewJSONAPIClient, for a program that sets in Go what a file
// cannot hold: Logger, OnAttempt, IdempotentFunc, Transport and Endpoint.Credentials.
// complete is called as that of NewClientWith is.
func NewJSONAPIClientWith(path string, complete func(*jsonapi.Config)) (*jsonapi.Client, error) {
	var client *jsonapi.Client
	err := ofHTTP.make(path, complete, func(cfg jsonapi.Config, following follow.Option) (err error) {
		client, err = jsonapi.New(cfg, following)
		if inner := errors.Unwrap(err); inner != nil {
			return inner // which begins with the field, and not with the package
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return client, nil
}

// ofHTTP are the clients of HTTP services.
var ofHTTP = clients[jsonapi.Config]{
	parse:     parseJSONAPI,
	endpoints: func(c *jsonapi.Config) *[]jsonapi.Endpoint { return &c.Endpoints },
	handover:  func(jsonapi.Config) string { return "" },
}

// parseJSONAPI also returns the document, for errors that are found later.
func parseJSONAPI(file string, data []byte) (jsonapi.Config, *document, error) {
	document, err := parseDocument(file, data)
	if err != nil {
		return jsonapi.Config{}, nil, err
	}
	var c jsonapi.Config
	if err := document.ofRouter(); err != nil {
		return c, nil, err
	}
	if role := document.role(); document.json[0] == '{' && !slices.Contains(jsonapi.Roles(), jsonapi.Role(role)) {
		wrong := &configerr.Error{Field: "role", Value: fault.Quote(role), Want: strictjson.OneOf(jsonapi.Roles()...)}
		if role == "" {
			wrong.Value, wrong.Problem = "", "missing, or no text"
		}
		return c, nil, document.locate(wrong)
	}
	var faults fault.List
	faults.Add(strictjson.Object(document.json, jsonAPIKeys(&c)))
	faults.AddOthers(c.Check())
	if err := faults.Err(); err != nil {
		return jsonapi.Config{}, nil, document.locate(err)
	}
	return c, document, nil
}

// The bounds of texts, and of what is kept, in the file of an HTTP service.
const (
	maxHostName = 253
	maxPagePath = 1024
	maxReplay   = 64 << 20
)

// jsonAPIKeys returns the keys of the file of an HTTP service, each with the reader of its
// value.
func jsonAPIKeys(c *jsonapi.Config) map[string]reader {
	return map[string]reader{
		"endpoints":    strictjson.Array(resolver.MaxEndpoints, readEndpoint(&c.Endpoints)),
		"name":         strictjson.String(&c.Name, limits.MaxClientName),
		"host":         strictjson.String(&c.Host, maxHostName),
		"role":         strictjson.Enum(&c.Role, jsonapi.Roles()...),
		"policy":       strictjson.Enum(&c.Policy, jsonapi.ActivePassive, jsonapi.RoundRobin, jsonapi.LeastLoaded),
		"failover":     object(failoverKeys(&c.Failover)),
		"readyPath":    strictjson.String(&c.ReadyPath, maxPagePath),
		"livePath":     strictjson.String(&c.LivePath, maxPagePath),
		"healthCheck":  readHTTPHealthCheck(&c.HealthCheck),
		"ejection":     object(ejectionKeys(&c.Ejection)),
		"noneEligible": strictjson.Enum(&c.NoneEligible, noneEligible...),
		"deadAfter":    strictjson.Duration(&c.DeadAfter, healthcheck.MaxSetting),
		"zone":         strictjson.String(&c.Zone, resolver.MaxZone),
		"spillBelow":   strictjson.Share(&c.SpillBelow),
		"idempotent":   strictjson.Array(maxIdempotent, readString(&c.Idempotent, maxMethod)),
		"resubmission": readNegated(&c.NoResubmission),
		"maxAttempts":  strictjson.Int(&c.MaxAttempts, 1, limits.MaxAttempts),
		"retryBudget":  object(budgetKeys(&c.RetryBudget)),
		"hedgeAfter":   strictjson.Duration(&c.HedgeAfter, healthcheck.MaxSetting),
		"maxReplay":    readMaxReplay(&c.MaxReplay),
	}
}

// readHTTPHealthCheck reads the settings of health checks, but for those of gRPC.
func readHTTPHealthCheck(dst *healthcheck.Config) reader {
	return func(raw json.RawMessage) error {
		var faults fault.List
		var keys map[string]json.RawMessage
		_ = json.Unmarshal(raw, &keys) // what is wrong is reported below
		for _, key := range [...]string{"grpcPort", "onUnimplemented", "service", "watch"} {
			if keys[key] != nil {
				faults.Add(&configerr.Error{Field: key, Problem: "set, but it is for gRPC", Want: "readyPath, or http"})
			}
		}
		faults.AddOthers(dst.UnmarshalJSON(raw))
		dst.GRPCPort, dst.OnUnimplemented, dst.Service, dst.NoWatch = 0, "", "", false // a default, or reported above
		return faults.Err()
	}
}

// readNegated reads a setting that is on by default, and that a Config has as the
// opposite.
func readNegated(dst *bool) reader {
	return func(raw json.RawMessage) error {
		on := true
		err := strictjson.Bool(&on)(raw)
		*dst = !on
		return err
	}
}

// readMaxReplay reads a number of bytes, of which 0 means none. In Config a negative
// number means none.
func readMaxReplay(dst *int64) reader {
	return func(raw json.RawMessage) error {
		n := 0
		err := strictjson.Int(&n, 0, maxReplay)(raw)
		if *dst = int64(n); n == 0 && err == nil {
			*dst = -1
		}
		return err
	}
}
