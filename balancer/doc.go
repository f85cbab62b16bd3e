// Package balancer registers the load-balancing policy healthy_round_robin.
//
// # Why
//
// grpc-go's round_robin gives calls in turn to every endpoint that is connected.
// A server that hangs, one that stands by and one that is still starting up are
// connected too. healthy_round_robin gives calls in turn to the endpoints that
// are able to answer: it probes each one all the time, on the connection that
// the calls use, and skips one from the moment that it is known to be unhealthy.
//
// # Use
//
// Most programs get it from cantonlb.NewClient. A plain channel names it in its
// service config, and imports this package for its effect:
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
// Such a channel lacks what cantonlb.NewClient adds: it connects at the first
// call and reports a bad list there; without WithIdleTimeout(0) it forgets all
// health after half an hour without calls; without WithNoProxy it does not work
// where HTTPS_PROXY is set; it has no Status, Drain or typed errors.
//
// Its metrics (docs/metrics.md) go out by grpc's recorder, so that a channel with
// grpc's OpenTelemetry plugin has them with no further wiring.
//
// # Defaults
//
// The policy's JSON, every key optional, with the defaults as values:
//
//	{"healthCheck": {"service": "", "interval": "1s", "timeout": "auto",
//	                 "suspectInterval": "0.1s", "silence": "0.3s", "fall": 2, "rise": 2,
//	                 "jitter": 0.2, "watch": true, "onUnimplemented": "connectivity",
//	                 "http": "", "grpcPort": 0, "disabled": false},
//	 "ejection": {"consecutiveFailures": 5, "baseTime": "1s", "maxTime": "60s"},
//	 "noneEligible": "failFast", "deadAfter": "3s", "zone": "", "spillBelow": 0.5}
//
// An unknown key or a bad value is an error that names it.
package balancer
