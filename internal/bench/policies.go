package main

import (
	"fmt"

	"google.golang.org/grpc/balancer"
	_ "google.golang.org/grpc/balancer/leastrequest"       // a peer
	_ "google.golang.org/grpc/balancer/roundrobin"         // a peer
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // a peer
	_ "google.golang.org/grpc/health"                      // or healthCheckConfig would do nothing
	_ "google.golang.org/grpc/xds"                         // registers outlier_detection, a peer

	_ "github.com/cantonlb/cantonlb/balancer" // registers healthy_round_robin and healthy_least_loaded
)

// policy is a load-balancing policy, as a service config names it.
type policy struct {
	// label is its name in the tables.
	label string
	// name and config are its name and config in the service config.
	name, config string
	// channelHealth says that the service config has a healthCheckConfig, so that
	// grpc watches each server's health.
	channelHealth bool
}

// registered reports whether the policy is registered in this binary.
func (p policy) registered() bool { return balancer.Get(p.name) != nil }

// outlierDetection counts every call, as this library does. Without one of the two
// ejections it would count nothing.
const outlierDetection = `{"successRateEjection": {}, "failurePercentageEjection": {"enforcementPercentage": 100},
	"childPolicy": [{"round_robin": {}}]}`

// oursName is this library's policy.
const oursName = "healthy_round_robin"

// The policies. ours has the defaults; the other variants of it differ as their
// labels say.
var (
	ours = policy{label: oursName, name: oursName, config: `{}`}

	oursUnprobed = policy{
		label: oursName + ", health off", name: oursName,
		config: `{"healthCheck": {"disabled": true}}`,
	}
	// With rise 1 an endpoint returns at the first SERVING, as with grpc's health
	// check, and need not be probed a second time. The way down, which the suites
	// measure, is the same.
	oursRise1 = policy{
		label: oursName + ", rise 1", name: oursName,
		config: `{"healthCheck": {"rise": 1}}`,
	}
	// For single flips: the Watch reports them, and hardly any Check interferes.
	oursFlip = policy{
		label: oursName + ", rise 1, interval 60s", name: oursName,
		config: `{"healthCheck": {"rise": 1, "interval": "60s"}}`,
	}
	oursLeastLoaded = policy{label: "healthy_least_loaded", name: "healthy_least_loaded", config: `{}`}

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
	leastRequest   = policy{label: "least_request", name: "least_request_experimental", config: `{}`}
	weighted       = policy{label: "weighted_round_robin", name: "weighted_round_robin", config: `{}`}
	weightedHealth = policy{
		label: "weighted_round_robin + healthCheckConfig", name: "weighted_round_robin", config: `{}`, channelHealth: true,
	}
	baseStyle = policy{label: "base", name: "bench_base"}
)

// The references are policies for comparison only. They show the least cost of a
// pick (random needs no counter and keeps no turn), and the gain of striped
// counters, that is, one for each processor: without counts of the calls, and with
// counts like this library's.
var references = []policy{
	{label: "reference: random", name: "bench_random"},
	{label: "reference: turn striped", name: "bench_striped"},
	{label: "reference: accounts", name: "bench_accounts"},
	{label: "reference: accounts, all striped", name: "bench_accounts_striped"},
}

// connectOnlyReference measures the cost of the connections alone.
var connectOnlyReference = policy{label: "reference: connect only", name: "bench_connect_only"}

// serviceConfig returns the service config of a channel with this policy, under the
// observer.
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
