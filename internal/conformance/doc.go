// Command conformance runs grpc-go's own tests with the policies of this library.
//
// # Why
//
// A project's own tests say what its authors thought of. grpc-go's test suite says
// what a channel promises to its users whatever policy picks for them: what happens
// at GOAWAY, which code a call ends with, when a state changes. This command runs
// that suite of the grpc version in use, with this library's policies in the place
// of grpc's, and compares each result with that of round_robin. Only what fails with
// a policy of this library alone counts.
//
// # How
//
// The tests import grpc's internal packages, so they are run where they live: the
// module is copied from the module cache to a temporary folder, and there
//
//   - its go.mod requires this library, as it stands in this checkout;
//   - a package is added that registers a policy of this library under the name
//     round_robin, and is called by each package under test;
//   - the policy of a channel whose service config names none can be chosen: it is
//     round_robin instead of pick_first.
//
// An environment variable says which policy stands behind the name, so that one test
// program serves a policy and its control. Nothing of grpc's is committed.
//
// A test that fails is run with round_robin too. If it fails there, it is not ours.
// Otherwise it is run twice more: one that passes both times is reported as
// unsteady, all others are failures of ours. Those that are known stand in
// docs/conformance.md, each with its reason, and that file is what this command
// reads. A failure that does not stand there and one that stands there but does not
// happen any more both end with exit code 1.
//
// # Use
//
//	go run -C internal/conformance . [-short] [-grpc v1.x.y] [-keep] [-v] [suite ...]
//
// All suites run if none is named, two at a time. With -short those of grpc's largest
// package run only the tests that are about policies, and those with xDS servers are
// left out. With -grpc another version of grpc is taken, from the module proxy; what is out of date
// in docs/conformance.md is then only reported, since it speaks of one version. The
// network is used only for modules that are not in the module cache.
//
// grpc's interop cases are an ordinary test of this module: go test -C
// internal/conformance .
package main
