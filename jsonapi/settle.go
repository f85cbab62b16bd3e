package jsonapi

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// The defaults and limits of Config.
const (
	defaultHost        = "ledger"
	defaultMaxAttempts = 3
	defaultMaxReplay   = 1 << 20
	maxMaxReplay       = 64 << 20
	maxPagePath        = 1024
	maxHost            = 253
	// noPage is the value of LivePath that means none.
	noPage = "-"
)

// settled is a checked Config in the form that the client needs.
type settled struct {
	settings.Config

	name     string
	logical  logical
	role     Role
	policy   Policy
	servers  []server
	health   healthcheck.Config
	ready    string
	live     string // "" for none
	classify *classifier
	attempts int
	share    cantonlb.RetryBudget
	hedge    time.Duration
	replay   int64
	model    *http.Transport
}

// Check returns everything that New would refuse about the Config, without what only the
// content of files shows: nil, a *configerr.Error, or several joined (see
// configerr.All).
func (c Config) Check() error {
	_, err := c.settle()
	return err
}

// settle checks the whole Config.
func (c Config) settle() (settled, error) {
	var faults fault.List
	role := cmp.Or(c.Role, JSONAPI)
	faults.Add(role.check())
	p := presets[role]
	s := settled{
		name: cmp.Or(c.Name, string(role)), logical: logical{strings.ToLower(cmp.Or(c.Host, defaultHost))}, role: role,
		policy: cmp.Or(c.Policy, p.policy, RoundRobin), ready: cmp.Or(c.ReadyPath, p.ready), live: cmp.Or(c.LivePath, p.live),
		attempts: cmp.Or(c.MaxAttempts, defaultMaxAttempts), share: c.RetryBudget, hedge: c.HedgeAfter,
		replay: max(0, cmp.Or(c.MaxReplay, defaultMaxReplay)), model: c.Transport,
	}
	if s.model == nil {
		s.model = defaultModel()
	}
	var err error
	s.servers, err = readServers(c.Endpoints)
	faults.Add(err)
	checkPolicy(&faults, s.policy)
	s.Config, err = c.settings(s.policy)
	faults.Add(err)
	s.health = s.HealthCheck
	s.classify, err = newClassifier(c, p)
	faults.Add(err)
	c.checkNames(&faults, &s)
	c.checkHealth(&faults)
	c.checkBounds(&faults)
	return s, faults.Err()
}

// settings returns the part of the Config that gRPC clients have as well.
func (c Config) settings(p Policy) (settings.Config, error) {
	var faults fault.List
	cfg := settings.Config{
		HealthCheck: c.HealthCheck, Ejection: settings.Ejection(c.Ejection), DeadAfter: c.DeadAfter,
		NoneEligible: settings.NoneEligible(cmp.Or(c.NoneEligible, noneEligible(p))), Zone: c.Zone, SpillBelow: c.SpillBelow,
	}
	if p == ActivePassive {
		f := settings.Failover(c.Failover)
		cfg.Failover = &f
		notHeeded(&faults, c.Zone != "", "zone", p, "the policy "+string(RoundRobin))
		notHeeded(&faults, c.SpillBelow != 0, "spillBelow", p, "the policy "+string(RoundRobin))
		notHeeded(&faults, c.HedgeAfter != 0, "hedgeAfter", p, "a policy with several endpoints at a time")
	} else {
		notHeeded(&faults, c.Failover != (cantonlb.Failover{}), "failover", p, "the policy "+string(ActivePassive))
	}
	cfg, err := cfg.Validate()
	faults.Add(fault.Map(err, func(err error) error {
		if e, ok := err.(*configerr.Error); ok && settings.IsFailoverKey(e.Field) { //nolint:errorlint // only the outermost error is inspected
			return fault.Prefix("failover", err)
		}
		return err
	}))
	return cfg, faults.Err()
}

// checkNames checks the client's name, the logical host and the paths of pages.
func (c Config) checkNames(faults *fault.List, s *settled) {
	plain := func(text, others string) bool {
		return !strings.ContainsFunc(text, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
		})
	}
	faults.Check(len(c.Name) <= limits.MaxClientName && plain(c.Name, "._-"), "name", fault.Quote(c.Name),
		fmt.Sprintf("at most %d letters, digits, dots, dashes and underscores", limits.MaxClientName))
	faults.Check(len(c.Host) <= maxHost && plain(c.Host, ".-"), "host", fault.Quote(c.Host),
		"a host name without a port, of letters, digits, dots and dashes")
	page := func(field, path string) {
		u, err := url.Parse(path)
		ok := err == nil && len(path) <= maxPagePath && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && u.Fragment == ""
		faults.Check(ok, field, fault.Quote(path), fmt.Sprintf("a path of at most %d bytes, such as \"/readyz\"", maxPagePath))
	}
	page("readyPath", cmp.Or(s.ready, "/"))
	if s.live == noPage {
		s.live = ""
	} else {
		page("livePath", cmp.Or(s.live, "/"))
	}
}

// checkHealth refuses the settings of health checks that are for gRPC.
func (c Config) checkHealth(faults *fault.List) {
	h := c.HealthCheck
	for _, x := range []struct {
		isSet bool
		field string
	}{
		{h.Service != "", "service"},
		{h.GRPCPort != 0, "grpcPort"},
		{h.NoWatch, "noWatch"},
		{h.OnUnimplemented != "", "onUnimplemented"},
	} {
		if x.isSet {
			faults.AddIn("healthCheck", &configerr.Error{Field: x.field, Problem: "set, but it is for gRPC", Want: "readyPath, or http"})
		}
	}
}

// checkBounds checks the bounds of attempts and of what is kept, and the model.
func (c Config) checkBounds(faults *fault.List) {
	faults.Check(c.MaxAttempts >= 0 && c.MaxAttempts <= limits.MaxAttempts, "maxAttempts", strconv.Itoa(c.MaxAttempts),
		fmt.Sprintf("a whole number from 1 to %d", limits.MaxAttempts))
	b := c.RetryBudget
	faults.Check(b.Share <= 1, "retryBudget.share", fmt.Sprint(b.Share), "a number of at most 1") // this excludes NaN
	faults.Check(!math.IsNaN(b.PerSecond) && !math.IsInf(b.PerSecond, 0), "retryBudget.perSecond", fmt.Sprint(b.PerSecond), "a number")
	faults.Check(c.HedgeAfter >= 0 && c.HedgeAfter <= healthcheck.MaxSetting, "hedgeAfter", strconv.Quote(c.HedgeAfter.String()),
		"a duration of at most "+healthcheck.MaxSetting.String())
	strictjson.CheckUnit(faults, "hedgeAfter", c.HedgeAfter)
	faults.Check(c.MaxReplay <= maxMaxReplay, "maxReplay", strconv.FormatInt(c.MaxReplay, 10), fmt.Sprintf("at most %d", maxMaxReplay))
	if t := c.Transport; t != nil {
		insecure := t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify
		faults.Check(!insecure, "transport.tlsClientConfig.insecureSkipVerify", "true", "false: servers are verified")
		//lint:ignore SA1019 what is deprecated must not be set, either
		faults.Check(t.DialTLSContext == nil && t.DialTLS == nil, "transport.dialTLSContext", "set", //nolint:staticcheck // as above
			"dialContext: the TLS settings of each endpoint apply")
		//lint:ignore SA1019 the same
		faults.Check(t.Dial == nil, "transport.dial", "set", "dialContext") //nolint:staticcheck // as above
	}
}
