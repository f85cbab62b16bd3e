// Package endpointset keeps the connections to a set of endpoints together with
// their health, and offers the eligible ones to the policies as an immutable
// snapshot.
//
// # Why
//
// grpc-go's own policies put a child policy of its own around each endpoint and
// rebuild everything on each change of any: with N endpoints that start up, or
// fail together, that is a quadratic amount of work. And they hide the
// connection, on which the probes have to run. Here one set owns one SubConn
// for each endpoint:
//
//	SubConn states, probe verdicts -> facts -> judgement (eligible, undecided, out)
//	                                    |             |
//	             atomic eligibility flips at once     counted, O(1)
//	                                                  |
//	                          one publisher, coalescing: snapshot -> UpdateState
//
// # Files
//
// The pure state machines are in package machine; here is what feeds them and does what
// they say.
//
//	desired.go   resolver state -> wanted endpoints, and the difference to now
//	set.go       the set: the grpc balancer API in, and the list
//	judging.go   an endpoint's facts -> its judgement, and what follows from a change
//	endpoint.go  one endpoint: its connection and its health
//	conn.go      one SubConn from its making to its end; onconn.go uses it for calls
//	knock.go     knocking at closed doors between attempts to connect
//	probing.go   probes on a SubConn, or on a connection of their own
//	target.go    where an endpoint is asked about its health, if elsewhere
//	sampling.go  looks for calls in flight and nothing heard, and for dead connections
//	retired.go   looks after the calls on connections that were given up
//	validating.go  asks who is at the other end
//	ejecting.go  takes out endpoints whose calls fail while probes pass
//	rescuable.go calls in flight that can be made elsewhere
//	publisher.go the snapshots out; weights.go how often, zones.go where
//	choosing.go  which endpoint is the active one (package selector decides);
//	             commands.go, searching.go and moving.go belong to it
//	handover.go  make before break: for lists, and in renewing.go for one endpoint
//	             whose name has come to mean another address
//	background.go  runs what ends with the set, and its timers
//	events.go    what has changed, to be told; accounts.go what is counted
//	options.go   what the owner of the channel gives beside the configuration
//	status.go    what is there to see, explain.go why nothing may be picked, notes.go
//
// # Locks
//
// Set.mu, and below it nothing but leaves. docs/architecture.md has the list, the walks
// through the package, and the goroutines and timers.
package endpointset
