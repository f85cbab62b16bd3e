// Command conformance runs grpc-go's own tests with the policies of this library.
//
// # Why
//
// A project's own tests cover only what its authors thought of. grpc-go's test
// suite covers what a channel guarantees to its users with any policy: what happens
// at GOAWAY, which code a call ends with, when a state changes. This command runs
// the suite of the grpc version in use with this library's policies in place of
// grpc's, and compares each result with that of round_robin. Only tests that fail
// with a policy of this library alone count.
//
// # How
//
// The tests import grpc's internal packages and must therefore run inside grpc's
// module. The module is copied from the module cache to a temporary folder and
// changed there:
//
//   - its go.mod requires this library, as it is in this checkout;
//   - a package is added that registers a policy of this library under the name
//     round_robin, and is called by each package under test;
//   - the policy of a channel whose service config names none can be chosen: it is
//     round_robin instead of pick_first;
//   - a fake SubConn reports its health as that of a channel does, whenever the
//     listener is registered.
//
// An environment variable selects the policy behind the name, so that one test
// program serves a policy and its control. None of grpc's code is committed.
//
// A test that fails is also run with round_robin. If it fails there, it is not a
// fault of this library. Otherwise it is run twice more: one that passes both times
// is reported as unsteady, all others are failures of this library. The known ones
// are listed in docs/conformance.md, each with its reason, and this command reads
// that file. The exit code is 1 if a failure is not listed there, or if a listed
// one no longer happens.
//
// # Use
//
//	go run -C internal/conformance . [-short] [-grpc v1.x.y] [-keep] [-v] [suite ...]
//
// All suites run if none is named, two at a time. With -short, the suites of grpc's
// largest package run only the tests about policies, and those with fake SubConns or
// xDS servers are left out. With -grpc, another version of grpc is used, from the module proxy.
// Outdated entries in docs/conformance.md are then only reported, since the file is
// about one version. The network is used only for modules that are not in the
// module cache.
//
// grpc's interop cases are an ordinary test of this module: go test -C
// internal/conformance .
package main
