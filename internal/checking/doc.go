// Package checking keeps the health of one endpoint: it runs the probes when they
// are due, applies the thresholds, and reports the transitions.
//
// # Why
//
// A load-balancing policy probes on the connections of its calls, and a Monitor of
// package healthcheck on connections of its own. Both decide by the same rules,
// which are here: when to probe, how long to wait, and how much evidence a change
// requires. The probes themselves and their configuration are in package
// healthcheck.
//
// A [Checker] schedules the probes of one endpoint and feeds [Health], a pure state
// machine. [RTT] derives the deadline of a probe from round trips. All probes of one
// client share a [Budget].
//
// # Defaults
//
// A [Settings] has no defaults: package healthcheck fills them in. A [Budget]
// allows 1000 probes a second and 256 first probes at once.
package checking
