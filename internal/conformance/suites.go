package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// suite is one package of grpc's whose tests run with one policy of this library.
type suite struct {
	name   string // as in docs/conformance.md
	dir    string // of the package, in grpc's module
	policy string
	config string // the policy's, JSON
	// names holds the names under which the policy is registered.
	names []string
	// byDefault says that a channel without a policy in its service config uses
	// round_robin, and therefore the policy.
	byDefault bool
	// files lists the files whose tests run, and shortFiles those whose tests run
	// with -short. An empty list means all files.
	files, shortFiles []string
	// long says that the suite does not run with -short.
	long bool
}

// The files of grpc's largest test package that are about what a policy does.
var (
	policyFiles = []string{
		"roundrobin_test.go", "healthcheck_test.go", "resolver_update_test.go", "goaway_test.go",
		"subconn_test.go", "retry_test.go", "clientconn_state_transition_test.go",
	}
	// Calls are not spread if one endpoint is active.
	activeFiles = slices.DeleteFunc(slices.Clone(policyFiles), func(f string) bool { return f == "roundrobin_test.go" })
)

const (
	roundRobin = "round_robin"
	weighted   = "weighted_round_robin"
	healthy    = "healthy_round_robin"
	active     = "active_passive"

	// unprobed is for servers on which the tests make every call fail, including
	// probes, and for SubConns on which no call can be made.
	unprobed = `{"healthCheck":{"disabled":true}}`
)

// suites lists all suites, in the order in which they run.
var suites = []suite{
	{name: "default", dir: "test", policy: healthy, names: []string{roundRobin}, byDefault: true, shortFiles: policyFiles},
	{name: "unprobed", dir: "test", policy: healthy, config: unprobed, names: []string{roundRobin}, byDefault: true, shortFiles: policyFiles},
	{name: "active_passive", dir: "test", policy: active, names: []string{roundRobin}, byDefault: true, files: activeFiles},
	{name: "outlier_detection", dir: "internal/xds/balancer/outlierdetection", policy: healthy, names: []string{roundRobin, weighted}},
	{name: "outlier_detection_e2e", dir: "internal/xds/balancer/outlierdetection/e2e_test", policy: healthy, names: []string{roundRobin}},
	{name: "weighted_target", dir: "balancer/weightedtarget", policy: healthy, config: unprobed, names: []string{roundRobin}, long: true},
	{name: "priority", dir: "internal/xds/balancer/priority", policy: healthy, config: unprobed, names: []string{roundRobin}, long: true},
	{name: "xds_cluster", dir: "internal/xds/balancer/cdsbalancer/e2e_test", policy: healthy, names: []string{roundRobin}, long: true},
	{name: "xds_channel", dir: "test/xds", policy: healthy, names: []string{roundRobin}, long: true},
}

// chosen returns the suites with these names, or all suites without names, as they
// run in short or in full mode.
func chosen(names []string, short bool) ([]suite, error) {
	known := make(map[string]bool)
	for _, s := range suites {
		known[s.name] = true
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("suite %q: want one of %q", name, slices.Sorted(maps.Keys(known)))
		}
	}
	var out []suite
	for _, s := range suites {
		named := slices.Contains(names, s.name)
		if len(names) > 0 && !named || short && s.long && !named {
			continue
		}
		if short && s.shortFiles != nil {
			s.files = s.shortFiles
		}
		out = append(out, s)
	}
	return out, nil
}

// environment returns the variables that select the policies of a test program:
// those of the suite or those of its control.
func (s suite) environment(control bool) ([]string, error) {
	var env []string
	if s.byDefault {
		env = append(env, "CONFORMANCE_DEFAULT="+roundRobin)
	}
	if control {
		return env, nil
	}
	config := json.RawMessage("{}")
	if s.config != "" {
		config = json.RawMessage(s.config)
	}
	substitutes := make(map[string]map[string]json.RawMessage)
	for _, name := range s.names {
		substitutes[name] = map[string]json.RawMessage{s.policy: config}
	}
	text, err := json.Marshal(substitutes)
	if err != nil {
		return nil, err
	}
	return append(env, "CONFORMANCE_SUBSTITUTES="+string(text)), nil
}
