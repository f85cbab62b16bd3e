// Package healthcheck determines whether an endpoint is able to answer.
//
// # Why
//
// An open connection proves little. A server that hangs keeps its connections, a
// standby replica accepts connections, and a node that is starting up answers
// before it can serve. Health checking that only waits for notifications (the Watch
// of gRPC's health protocol) does not notice a server that hangs, and one that is
// misconfigured notices nothing and does not report that. This package therefore
// probes the endpoint as well as watching it, attaches a [report.Reason] to every
// verdict, and records when and how the endpoint last answered.
//
// The package does not depend on load balancing and needs no gRPC channel: a
// [Monitor] watches any list of targets. The policies of this module use the same
// parts, with probes that run on the connections of the calls.
//
// # How
//
// A [Probe] makes one attempt and returns a [report.Verdict]; a [Watcher] pushes
// verdicts. A scheduler runs them and feeds the verdicts to a state machine with
// the states unknown, healthy, suspect and unhealthy ([report.HealthState]). All
// probes of one client, or of one Monitor, share a budget of 1000 a second.
//
// The transitions are:
//
//	unknown    serving            -> healthy
//	unknown    not serving/failed -> unhealthy
//	healthy    failed             -> suspect   (unhealthy if Fall is 1)
//	suspect    serving            -> healthy
//	suspect    failed             -> unhealthy after Fall in a row
//	any        not serving        -> unhealthy
//	unhealthy  serving            -> healthy after Rise in a row
//	any        inconclusive       -> unchanged
//
// # Defaults
//
// The zero [Config] asks for the overall health of the server (service ""). It uses
// Watch where the server implements it, and in any case a Check every second
// (jitter 0.2). The deadline of a Check is derived from the round trips as in RFC
// 6298, between 0.3 s and 1 s. Two failures in a row make an endpoint unhealthy and
// two successes in a row make it healthy again, with probes 0.1 s apart. The very
// first verdict counts alone. NOT_SERVING is the server's own statement and counts
// at once. A server without the health service is judged by its connection.
package healthcheck
