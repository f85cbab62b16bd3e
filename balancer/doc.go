// Package balancer registers the load-balancing policies healthy_round_robin and
// healthy_least_loaded.
//
// # Why
//
// grpc-go's round_robin sends calls in turn to every endpoint that is connected.
// A server that hangs, a standby, and a server that is still starting are
// connected too. healthy_round_robin sends calls in turn to the endpoints that
// can answer: it probes each one continuously, on the connection that the calls
// use, and skips an endpoint from the moment that it is known to be unhealthy.
//
// A server that is slow is healthy, and gets its turn like the others: one of three
// that is ten times slower than usual delays a third of the calls. healthy_least_loaded
// has the same notion of an eligible endpoint, and picks the less loaded of two.
//
// # Least loaded
//
// For each call healthy_least_loaded draws two eligible endpoints at random. It prefers
// the second if its load is clearly lower, by a fifth: the number of calls in flight on
// it, and this call, times its latency. The latency is the mean over about the last second.
// While nothing is in flight on an endpoint it decays within about ten seconds, so that an
// endpoint that was slow is tried again.
//
//   - A call that fails with UNAVAILABLE, RESOURCE_EXHAUSTED, INTERNAL, UNKNOWN or
//     DATA_LOSS counts as ten times slower than the endpoint is, up to a second, so an
//     endpoint that fails fast does not attract calls. Other errors never lower the
//     latency. They count in the same way once the endpoint has answered with nothing
//     else to 20 calls in a row, and for a second.
//   - A stream counts as in flight, but its duration is not a latency. On a channel
//     without the interceptors of cantonlb.NewClient or cantonlb.DialOptions, a call
//     cannot be told from a stream. There, what lasts more than ten seconds is ignored.
//   - An endpoint that is new or has recovered gets a tenth of its calls at first, and
//     more over slowStart. Its latency from before is forgotten.
//   - With weights, both the draw and the calls in flight are in proportion to them.
//     Zones, ejection, trials and draining are as in healthy_round_robin.
//
// # Use
//
// Most programs get the policy from cantonlb.NewClient. A plain channel names it
// in its service config, and imports this package for its side effect:
//
//	import (
//		_ "github.com/cantonlb/cantonlb/balancer"
//		_ "github.com/cantonlb/cantonlb/resolver"
//	)
//
//	conn, err := grpc.NewClient("static:///seq1:5001,seq2:5001",
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"healthy_round_robin":{}}]}`),
//		grpc.WithIdleTimeout(0), grpc.WithNoProxy(), creds)
//
// Such a channel lacks what cantonlb.NewClient adds. It connects at the first
// call and reports an invalid list there. Without WithIdleTimeout(0) it forgets
// all health after 30 minutes without calls. Without WithNoProxy it does not work
// where HTTPS_PROXY is set. It has no Status, Drain or typed errors. Without the
// transport credentials of cantonlb.DialOptions the policy does not know how many
// streams a server allows on a connection: a call beyond that waits on the connection
// that it was sent to, although its endpoint may leave meanwhile or another may be free.
//
// The policies record their metrics (docs/metrics.md) with grpc's recorder: a channel
// with grpc's OpenTelemetry plugin exports them without further wiring.
//
// # Defaults
//
// The JSON of healthy_round_robin, every key optional, shown with the defaults:
//
//	{"healthCheck": {"service": "", "interval": "1s", "timeout": "auto",
//	                 "suspectInterval": "0.1s", "silence": "0.3s", "fall": 2, "rise": 2,
//	                 "jitter": 0.2, "watch": true, "onUnimplemented": "connectivity",
//	                 "http": "", "grpcPort": 0, "disabled": false},
//	 "ejection": {"consecutiveFailures": 5, "baseTime": "1s", "maxTime": "60s"},
//	 "noneEligible": "failFast", "handover": "keep", "deadAfter": "3s", "zone": "", "spillBelow": 0.5}
//
// With "streamDrain", such as "30s", the streams on an endpoint that is drained, unhealthy
// or no longer in the list end after that time, if the channel has the interceptors of
// cantonlb.DialOptions. By default they continue.
//
// healthy_least_loaded has the same keys, and "slowStart": "10s".
//
// An unknown key or an invalid value is an error that names it.
package balancer
