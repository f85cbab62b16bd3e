// Package healthcheck finds out whether one endpoint is able to answer.
//
// # Why
//
// A connection that is open says little. A server that hangs keeps its
// connections; a replica that stands by accepts them; a node that starts up
// answers before it can serve. Health checking that merely waits to be told
// (the Watch of gRPC's health protocol) is blind to the first, and one that is
// set up wrongly is blind to everything and says so nowhere. So this package
// asks as well as listens, attaches to every verdict a [report.Reason], and keeps when and
// how it last heard from the endpoint.
//
// It knows nothing of load balancing and needs no gRPC channel: a [Monitor]
// watches any list of targets. The policies of this module use the same parts,
// with probes that run on the connections of the calls.
//
// # How
//
// A [Probe] makes one attempt and returns a [report.Verdict]; a [Watcher] pushes
// verdicts. They are scheduled, and feed a state machine with the states unknown,
// healthy, suspect and unhealthy ([report.HealthState]). All probes of one client,
// or of one Monitor, share a budget of 1000 a second.
//
// From one state to the next:
//
//	unknown    serving            -> healthy
//	unknown    not serving/failed -> unhealthy
//	healthy    failed             -> suspect   (unhealthy if Fall is 1)
//	suspect    serving            -> healthy
//	suspect    failed             -> unhealthy after Fall in a row
//	any        not serving        -> unhealthy
//	unhealthy  serving            -> healthy after Rise in a row
//	any        inconclusive       -> as it was
//
// # Defaults
//
// The zero [Config] means: the overall health of the server (service ""),
// Watch where the server has it and a Check every second (jitter 0.2) besides;
// a deadline after RFC 6298, between 0.3 s and 1 s; two failures in a row make
// an endpoint unhealthy and two successes healthy again, asked 0.1 s apart; the
// very first verdict counts alone; NOT_SERVING is the server's own word and
// counts at once; a server without the health service is judged by its
// connection.
package healthcheck
