package main

import (
	"fmt"

	"google.golang.org/grpc/balancer"
	_ "google.golang.org/grpc/balancer/roundrobin"         // a peer
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // a peer
	_ "google.golang.org/grpc/health"                      // or healthCheckConfig would do nothing
	_ "google.golang.org/grpc/xds"                         // registers outlier_detection, a peer

	_ "github.com/cantonlb/cantonlb/balancer" // registers healthy_round_robin
)

// policy is one way to balance load, as a service config names it.
type policy struct {
	// label names it in the tables.
	label string
	// name and config are what the service config says.
	name, config string
	// channelHealth: the service config has a healthCheckConfig, so that grpc
	// watches each server's health.
	channelHealth bool
}

// registered tells whether there is such a policy in this binary.
func (p policy) registered() bool { return balancer.Get(p.name) != nil }

// outlierDetection keeps accounts of every call, as ours does: without one of
// the two ejections it would count nothing.
const outlierDetection = `{"successRateEjection": {}, "failurePercentageEjection": {"enforcementPercentage": 100},
	"childPolicy": [{"round_robin": {}}]}`

// oursName is the policy that all this is about.
const oursName = "healthy_round_robin"

// The policies. ours is as shipped; the others of ours differ by what the label
// says.
var (
	ours = policy{label: oursName, name: oursName, config: `{}`}

	oursUnprobed = policy{
		label: oursName + ", health off", name: oursName,
		config: `{"healthCheck": {"disabled": true}}`,
	}
	// With rise 1 an endpoint is back at the first SERVING, as with grpc's
	// health check, and need not be probed a second time: the way down, which
	// the suites ask about, is the same.
	oursRise1 = policy{
		label: oursName + ", rise 1", name: oursName,
		config: `{"healthCheck": {"rise": 1}}`,
	}
	// Of a flip alone: the Watch tells of it, and hardly a Check comes between.
	oursFlip = policy{
		label: oursName + ", rise 1, interval 60s", name: oursName,
		config: `{"healthCheck": {"rise": 1, "interval": "60s"}}`,
	}
	roundRobin       = policy{label: "round_robin", name: "round_robin", config: `{}`}
	roundRobinHealth = policy{
		label: "round_robin + healthCheckConfig", name: "round_robin", config: `{}`, channelHealth: true,
	}
	outlier = policy{
		label: "outlier_detection{round_robin}", name: "outlier_detection_experimental", config: outlierDetection,
	}
	outlierHealth = policy{
		label: "outlier_detection{round_robin} + healthCheckConfig", name: "outlier_detection_experimental",
		config: outlierDetection, channelHealth: true,
	}
	weighted       = policy{label: "weighted_round_robin", name: "weighted_round_robin", config: `{}`}
	weightedHealth = policy{
		label: "weighted_round_robin + healthCheckConfig", name: "weighted_round_robin", config: `{}`, channelHealth: true,
	}
	baseStyle = policy{label: "base", name: "bench_base"}
)

// The references are no policies for use. They say what a pick costs at least
// (random needs no counter and keeps no turn), and what would be gained if the
// counters were striped, that is kept once for each processor: without accounts
// of the calls, and with accounts like ours.
var references = []policy{
	{label: "reference: random", name: "bench_random"},
	{label: "reference: turn striped", name: "bench_striped"},
	{label: "reference: accounts", name: "bench_accounts"},
	{label: "reference: accounts, all striped", name: "bench_accounts_striped"},
}

// connectOnlyReference says what connections cost by themselves.
var connectOnlyReference = policy{label: "reference: connect only", name: "bench_connect_only"}

// serviceConfig is the whole service config of a channel with this policy, under
// the observer.
func (p policy) serviceConfig() string {
	config := p.config
	if config == "" {
		config = `{}`
	}
	health := ""
	if p.channelHealth {
		health = `, "healthCheckConfig": {"serviceName": ""}`
	}
	return fmt.Sprintf(`{"loadBalancingConfig": [{%q: {"child": [{%q: %s}]}}]%s}`, observerName, p.name, config, health)
}
