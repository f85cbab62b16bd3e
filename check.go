package cantonlb

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// Check returns everything that NewClient would refuse about the Config: nil, a
// *configerr.Error, or several joined (see configerr.All). It makes no connection and
// reads no file, so it does not check credentials or the content of files.
func (c Config) Check() error {
	_, err := c.settle(true)
	return err
}

// settled is a checked Config in the form that the channel needs.
type settled struct {
	target        string
	serviceConfig string
	policy        Policy
	idempotent    *idempotency
}

// settle checks the whole Config. If needsList is false, the list of endpoints may be
// empty, since a target may provide it.
func (c Config) settle(needsList bool) (settled, error) {
	var faults fault.List
	s := settled{target: resolver.Scheme + ":///" + cmp.Or(c.Name, string(c.Role), "endpoints")}
	faults.Add(c.Role.check())
	if needsList || len(c.Endpoints) > 0 {
		_, err := resolver.Normalize(c.Endpoints)
		faults.Add(err)
	}
	faults.Check(isName(c.Name), "name", fault.Quote(c.Name),
		fmt.Sprintf("at most %d letters, digits, dots, dashes and underscores", limits.MaxClientName))
	policy, err := c.choosing()
	faults.Add(err)
	s.policy = policy
	settings, err := c.settings(policy)
	faults.Add(err)
	user, err := readServiceConfig(c.ServiceConfig, &settings.HealthCheck)
	faults.Add(err)
	faults.Check(c.ReresolveInterval == 0 || c.ReresolveInterval >= limits.MinReresolve && c.ReresolveInterval <= limits.MaxReresolve,
		"reresolveInterval", strconv.Quote(c.ReresolveInterval.String()),
		fmt.Sprintf("a duration from %v to %v; none for never", limits.MinReresolve, limits.MaxReresolve))
	s.idempotent, err = newIdempotency(slices.Concat(c.Idempotent, alwaysReadOnly, readOnly[c.Role]), c.IdempotentFunc)
	faults.Add(err)
	c.checkRetries(&faults)
	if err := faults.Err(); err != nil {
		return settled{}, err
	}
	s.serviceConfig, err = user.with(policy, settings)
	return s, err
}

func isName(name string) bool {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	return len(name) <= limits.MaxClientName && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) })
}

// choosing returns the policy, and an error if other fields do not fit it.
func (c Config) choosing() (Policy, error) {
	policy := cmp.Or(c.Policy, presets[c.Role].policy)
	var faults fault.List
	notHeeded := func(isSet bool, field string, of Policy) {
		if isSet {
			faults.Add(&configerr.Error{
				Field: field, Problem: fmt.Sprintf("set, but the policy %s does not use it", policy), Want: fmt.Sprintf("the policy %s", of),
			})
		}
	}
	switch policy {
	case ActivePassive:
		notHeeded(c.Zone != "", "zone", HealthyRoundRobin)
		notHeeded(c.SpillBelow != 0, "spillBelow", HealthyRoundRobin)
		notHeeded(c.SlowStart != 0, "slowStart", HealthyLeastLoaded)
		notHeeded(c.StreamDrain != 0, "streamDrain", HealthyRoundRobin)
	case HealthyRoundRobin:
		notHeeded(c.Failover != (Failover{}), "failover", ActivePassive)
		notHeeded(c.SlowStart != 0, "slowStart", HealthyLeastLoaded)
	case HealthyLeastLoaded:
		notHeeded(c.Failover != (Failover{}), "failover", ActivePassive)
	case "": // the role is unknown, which is an error of its own
	default:
		faults.Check(false, "policy", fault.Quote(policy), strictjson.OneOf(HealthyRoundRobin, HealthyLeastLoaded, ActivePassive))
	}
	return policy, faults.Err()
}

// settings returns the configuration of the load-balancing policy.
func (c Config) settings(policy Policy) (settings.Config, error) {
	var faults fault.List
	health, err := c.Role.apply(c.HealthCheck, c.Endpoints)
	faults.Add(err)
	cfg := settings.Config{
		HealthCheck:  health,
		Ejection:     settings.Ejection(c.Ejection),
		NoneEligible: settings.NoneEligible(cmp.Or(c.NoneEligible, presets[c.Role].noneEligible)),
		Handover:     settings.Handover(c.Handover),
		DeadAfter:    c.DeadAfter,
		Zone:         c.Zone,
		SpillBelow:   c.SpillBelow,
		LeastLoaded:  policy == HealthyLeastLoaded,
		SlowStart:    c.SlowStart,
		StreamDrain:  c.StreamDrain,
	}
	if policy == ActivePassive {
		f := settings.Failover(c.Failover)
		cfg.Failover = &f
	}
	cfg, err = cfg.Validate()
	faults.Add(fault.Map(err, func(err error) error {
		if e, ok := err.(*configerr.Error); ok && settings.IsFailoverKey(e.Field) { //nolint:errorlint // only the outermost error is inspected
			return fault.Prefix("failover", err)
		}
		return err
	}))
	return cfg, faults.Err()
}

func (c Config) checkRetries(faults *fault.List) {
	faults.Check(c.MaxAttempts >= 0 && c.MaxAttempts <= limits.MaxAttempts, "maxAttempts",
		strconv.Itoa(c.MaxAttempts), fmt.Sprintf("a whole number from 1 to %d", limits.MaxAttempts))
	duration := func(field string, d time.Duration, want string) {
		faults.Check(d >= 0, field, strconv.Quote(d.String()), want)
		strictjson.CheckUnit(faults, field, d)
		faults.Check(d <= healthcheck.MaxSetting, field, strconv.Quote(d.String()), "a duration of at most "+healthcheck.MaxSetting.String())
	}
	if c.Hedge != nil {
		duration("hedge.delay", c.Hedge.Delay, "a duration above zero; none for a measured delay")
		faults.Check(c.AttemptTimeout == 0, "attemptTimeout", strconv.Quote(c.AttemptTimeout.String()), "none, since hedge is set, or no hedge")
	}
	duration("attemptTimeout", c.AttemptTimeout, "a duration above zero; none for no timeout")
	b := c.RetryBudget
	faults.Check(b.Share <= 1, "retryBudget.share", fmt.Sprint(b.Share), "a number of at most 1") // this excludes NaN
	faults.Check(!math.IsNaN(b.PerSecond) && !math.IsInf(b.PerSecond, 0), "retryBudget.perSecond", fmt.Sprint(b.PerSecond), "a number")
}
