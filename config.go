package cantonlb

import (
	"time"

	"github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/resolver"
)

// Endpoint is one server of the list: a name, an address and what else is known
// of it.
type Endpoint = resolver.Endpoint

// Config says which endpoints there are and how they are treated. The zero
// value of every field but Endpoints means the default that stands beside it.
type Config struct {
	// Endpoints is the static list: copies of one logical service, at least one.
	// Client.Update changes it later.
	Endpoints []Endpoint

	// Role is what the endpoints are. It sets the defaults of HealthCheck.
	// Default Generic.
	Role Role

	// HealthCheck says how the endpoints are probed; the defaults are those of
	// the role, then those of package healthcheck.
	HealthCheck healthcheck.Config

	// Ejection says when an endpoint whose calls fail is taken out although its
	// probes pass. The settings are read and checked, but not acted on yet.
	Ejection Ejection

	// NoneEligible says what calls get while no endpoint is eligible. Default
	// FailFast.
	NoneEligible NoneEligible

	// DeadAfter is how long a connection may show no sign of life before it is
	// closed. Default 3 s. Read and checked, but not acted on yet.
	DeadAfter time.Duration

	// ServiceConfig is a gRPC service config, as JSON, for everything but load
	// balancing: methodConfig (retryPolicy, timeout, waitForReady),
	// retryThrottling and healthCheckConfig. The serviceName of a
	// healthCheckConfig takes the place of an unset HealthCheck.Service; if both
	// are set and differ, both have to pass. Default empty.
	ServiceConfig string
}

// Ejection says when an endpoint is ejected because its calls fail.
type Ejection struct {
	// ConsecutiveFailures is how many calls in a row must fail. Default 5.
	ConsecutiveFailures int
	// BaseTime is how long the first ejection lasts, default 1 s. Each one that
	// follows closely lasts longer, up to MaxTime, default 60 s.
	BaseTime, MaxTime time.Duration
}

// NoneEligible says what calls get while no endpoint is eligible.
type NoneEligible string

// The policies for having no eligible endpoint. In all of them calls wait while
// an endpoint is still on its way: connecting for the first time or after a
// good connection was closed, or connected and not judged yet.
const (
	// FailFast: calls fail at once with a *NoEligibleError that tells each
	// endpoint's reason, unless they wait for ready. The default.
	FailFast = NoneEligible(endpointset.FailFast)
	// Wait: calls wait for an endpoint, up to their deadlines.
	Wait = NoneEligible(endpointset.Wait)
	// FailOpen: calls go in turn to the endpoints that are connected, whatever
	// their health; without one of those, as FailFast.
	FailOpen = NoneEligible(endpointset.FailOpen)
)

// policy gives the name and the configuration of the load-balancing policy.
func (c Config) policy() (string, endpointset.Config, error) {
	health, err := c.Role.apply(c.HealthCheck)
	if err != nil {
		return "", endpointset.Config{}, err
	}
	cfg, err := endpointset.Config{
		HealthCheck:  health,
		Ejection:     endpointset.Ejection(c.Ejection),
		NoneEligible: endpointset.NoneEligible(c.NoneEligible),
		DeadAfter:    c.DeadAfter,
	}.Validate()
	return balancer.Name, cfg, err
}
