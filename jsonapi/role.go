package jsonapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// Role is the kind of service that the endpoints are.
type Role string

// The roles.
const (
	// JSONAPI is the HTTP JSON API of Canton 3, which runs inside the participant and so
	// follows its active replica. It is the default.
	JSONAPI Role = "json_api"
	// JSONAPI2 is the HTTP JSON API of Canton 2, whose servers are all active.
	JSONAPI2 Role = "json_api_2"
	// TriggerService is the trigger service of Daml 2, one of which is active.
	TriggerService Role = "trigger_service"
	// OAuth2Middleware is the OAuth 2.0 middleware of Daml 2, whose servers are all
	// active.
	OAuth2Middleware Role = "oauth2_middleware"
	// HTTP is any HTTP service: no request but GET, HEAD and the like is known to be
	// idempotent. Its servers are all active.
	HTTP Role = "http"
)

// Policy is how requests are distributed over the eligible endpoints.
type Policy = cantonlb.Policy

// The policies.
const (
	// ActivePassive sends all requests to one endpoint while it is eligible.
	ActivePassive = cantonlb.ActivePassive
	// RoundRobin sends requests to all eligible endpoints in turn, by their weights.
	RoundRobin = cantonlb.HealthyRoundRobin
	// LeastLoaded sends each request to the eligible endpoint with the fewest requests in
	// flight, relative to its weight.
	LeastLoaded Policy = "healthy_least_loaded"
)

// preset holds the settings of a role.
type preset struct {
	policy      Policy
	ready, live string
	reads       []string // requests that change nothing, although their method may
	commands    []command
}

// The pages by which the servers of all roles say how they are.
const (
	readyz = "/readyz"
	livez  = "/livez"
)

var presets = map[Role]preset{
	JSONAPI:          {policy: ActivePassive, ready: readyz, live: livez, reads: readsV2, commands: commandsV2},
	JSONAPI2:         {policy: RoundRobin, ready: readyz, live: livez, reads: readsV1, commands: commandsV1},
	TriggerService:   {policy: ActivePassive, ready: readyz, live: livez},
	OAuth2Middleware: {policy: RoundRobin, ready: readyz, live: livez},
	HTTP:             {policy: RoundRobin, ready: readyz, live: livez},
}

// Roles returns the roles, sorted.
func Roles() []Role { return slices.Sorted(maps.Keys(presets)) }

// check returns an error unless the role is known.
func (r Role) check() error {
	if _, ok := presets[r]; ok {
		return nil
	}
	return &configerr.Error{Field: "role", Value: fault.Quote(r), Want: strictjson.OneOf(Roles()...)}
}

// noneEligible returns the default of a policy.
func noneEligible(p Policy) cantonlb.NoneEligible {
	if p == ActivePassive {
		return cantonlb.Wait
	}
	return cantonlb.FailFast
}

// checkPolicy returns an error unless the policy is known.
func checkPolicy(faults *fault.List, p Policy) {
	faults.Check(slices.Contains([]Policy{ActivePassive, RoundRobin, LeastLoaded}, p), "policy", fault.Quote(p),
		strictjson.OneOf(ActivePassive, RoundRobin, LeastLoaded))
}

// notHeeded adds a fault for a setting that the policy does not use.
func notHeeded(faults *fault.List, isSet bool, field string, p Policy, want string) {
	if isSet {
		faults.Add(&configerr.Error{Field: field, Problem: fmt.Sprintf("set, but the policy %s does not use it", p), Want: want})
	}
}
