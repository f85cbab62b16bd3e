// Package endpointset manages the connections to a set of endpoints and their health,
// and provides the policies with immutable snapshots of the eligible ones.
//
// # Why
//
// grpc-go's own policies put a child policy around each endpoint and rebuild
// everything whenever one changes. With N endpoints that start up or fail together,
// that is a quadratic amount of work. They also hide the connection, on which the
// probes have to run. Here one set owns the SubConns of all endpoints:
//
//	SubConn states, probe verdicts -> facts -> judgement (eligible, undecided, out)
//	                                    |             |
//	             atomic eligibility flips at once     counted, O(1)
//	                                                  |
//	                          one publisher, coalescing: snapshot -> UpdateState
//
// # Files
//
// The pure state machines are in package machine. This package supplies their events
// and carries out their effects. Package link gets each endpoint its connection, for which
// it owns the SubConns. Package publishing decides when a snapshot is published. Package
// wanted reads the resolver's list, package probes makes the probes that have connections of
// their own.
//
//	set.go       the set: the grpc balancer API in; list.go applies a list
//	judging.go   an endpoint's facts -> its judgement, and what follows from a change
//	endpoint.go  one endpoint: its health, and what its link reports
//	conn.go      its connection, while it is in use and after
//	probing.go   probes on a SubConn, or on a connection of their own
//	sampling.go  finds silent and dead connections
//	liveness.go  whether the peer of a connection answers
//	retired.go   watches the calls on retired connections
//	validating.go  validates the identity of the server
//	ejecting.go  ejects endpoints whose calls fail while probes pass
//	rescuable.go calls in flight that can be retried elsewhere
//	publisher.go makes the snapshots; spreading.go has zones and weights, and
//	             source.go answers the pickers
//	choosing.go  which endpoint is the active one (package selector decides);
//	             commands.go and searching.go belong to it
//	moving.go    ends streams on endpoints that are no longer picked
//	handover.go  make before break: for lists (leaving.go), and for one endpoint whose
//	             name resolves to another address, or whose client certificate has
//	             changed on disk (renewing.go, recertifying.go)
//	closing.go   what ends with the set
//	events.go    reports changes; accounts.go counts
//	options.go   what the owner of the channel passes besides the configuration
//	status.go    the status; explain.go why no endpoint may be picked
//
// # Locks
//
// The lock, timers and goroutines of a set are those of its scope.Scope. Only leaf locks
// are taken below its lock. docs/architecture.md lists the locks, the paths through the
// package, and its goroutines and timers.
package endpointset
