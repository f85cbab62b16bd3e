// Package balancer registers the load-balancing policy healthy_round_robin.
//
// # Why
//
// grpc-go's round_robin sends calls in turn to every endpoint that is connected.
// A server that hangs, a standby, and a server that is still starting are
// connected too. healthy_round_robin sends calls in turn to the endpoints that
// can answer: it probes each one continuously, on the connection that the calls
// use, and skips an endpoint from the moment that it is known to be unhealthy.
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
// where HTTPS_PROXY is set. It has no Status, Drain or typed errors.
//
// The policy records its metrics (docs/metrics.md) with grpc's recorder: a channel
// with grpc's OpenTelemetry plugin exports them without further wiring.
//
// # Defaults
//
// The policy's JSON, every key optional, shown with the defaults:
//
//	{"healthCheck": {"service": "", "interval": "1s", "timeout": "auto",
//	                 "suspectInterval": "0.1s", "silence": "0.3s", "fall": 2, "rise": 2,
//	                 "jitter": 0.2, "watch": true, "onUnimplemented": "connectivity",
//	                 "http": "", "grpcPort": 0, "disabled": false},
//	 "ejection": {"consecutiveFailures": 5, "baseTime": "1s", "maxTime": "60s"},
//	 "noneEligible": "failFast", "deadAfter": "3s", "zone": "", "spillBelow": 0.5}
//
// An unknown key or an invalid value is an error that names it.
package balancer
