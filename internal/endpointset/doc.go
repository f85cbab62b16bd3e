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
//	SubConn states, probe verdicts -> endpoint -> class (eligible, undecided, out)
//	                                    |             |
//	             atomic eligibility flips at once     counted, O(1)
//	                                                  |
//	                          one flusher, coalescing: snapshot -> UpdateState
//
// # Files
//
//	config.go    the JSON configuration of the policies; failoverconfig.go the
//	             part that only active_passive has
//	desired.go   resolver state -> wanted endpoints, and the difference to now
//	link.go      the pure state machine of one endpoint's connection
//	knock.go     knocking at closed doors between attempts to connect
//	endpoint.go  one endpoint: link, health, class
//	conn.go      one SubConn from its making to its end, and its counters
//	probing.go   probes on a SubConn, or on a connection of their own
//	target.go    where an endpoint is asked about its health, if elsewhere
//	silence.go   the pure state machine of calls in flight and nothing heard;
//	sampling.go  feeds it, and finds dead connections
//	retired.go   looks after the calls on connections that were given up
//	validation.go  the pure state machine of finding out who is at the other end;
//	validating.go  asks, by calls that onconn.go makes
//	ejection.go  the pure state machine of calls that fail while probes pass;
//	ejecting.go  feeds it; streak.go counts
//	rescuable.go calls in flight that can be made elsewhere
//	set.go       the set: the grpc balancer API in, flusher.go the snapshots out
//	roster.go    the eligible ones, to be copied at little cost
//	choosing.go  who is the active, of a set that picks one endpoint at a time
//	             (package selector decides); commands.go gives it commands
//	searching.go asks everybody when the active is in doubt, or nobody is
//	moving.go    ends streams on an endpoint that is not the active any more
//	background.go runs what ends with the set, and its timers
//	renewing.go  connects to another address of the same name, without a gap
//	picker.go    the snapshot that picks; counters.go whom it may, and the accounts
//	state.go     an endpoint in one word, and why
//	events.go    what has changed, in order
//	log.go       an event as a line of the log; loglimit.go the pure state machine
//	             of how many there are; reporter.go writes them, to a logsink.go
//	totals.go    what is counted; metrics.go gives it to grpc's recorder
//	options.go   what the owner of the channel gives beside the configuration
//	weights.go   how often, where weights differ; zones.go where
//	status.go    what is there to see, explain.go why nothing may be picked
//
// # Locks
//
// A Checker's lock comes first, then Set.flush, then Set.mu. grpc is never called with
// Set.mu held, except to create a SubConn, which calls nothing back.
package endpointset
