// Package failover chooses one active endpoint among several replicas, and
// follows when another replica takes over.
//
// # Why
//
// One replica of a Canton participant, mediator or domain manager is active: it
// holds a lock in the database that all replicas share. The others refuse
// connections, or answer that they are passive. A client that spreads its calls
// over all replicas fails most of them. A client that dials a single address
// fails when that replica does. A client that always uses the replica that is
// healthy at the moment alternates between two that both report so. This package
// stays with one replica while it is healthy, keeps the others connected and
// probed, and switches once the active replica is known to be lost and another
// one is known to serve.
//
// The package provides the gRPC load-balancing policy active_passive, which
// cantonlb.NewClient uses for the roles of active-passive nodes, and a [Group],
// which makes the same choice for anything that is not a gRPC channel, such as
// the base URLs of an HTTP service or the addresses of a database.
//
// # How the active endpoint is chosen
//
// The active endpoint stays active while it is eligible: healthy or suspect, not
// drained, and, in the policy, connected. A lost connection has one second to be
// re-established. After that, the best eligible endpoint becomes active. The
// order of preference is: healthy before suspect, then an endpoint that was
// steady before one that relapsed within its hold-down, then the endpoint that was
// active last, then the lowest Priority number, then the order of the list. If no endpoint is eligible, there is no
// active endpoint. All endpoints are then probed repeatedly, with pauses that
// grow from 0.1 s to 1 s, and ports that refuse connections are tried several
// times a second. The first choice waits up to one second for a preferred
// endpoint that is still connecting.
//
// With failBack "afterHold" the active endpoint is replaced by a preferred endpoint
// that has been eligible for its hold-down, counted from its recovery, or from the
// last switch if that came later. A relapse restarts the hold-down, and doubles it,
// up to 16 times, unless the endpoint was eligible for twice as long before.
//
// Anything that makes the active endpoint suspect causes all endpoints to be
// probed at once: a lost connection, a failed probe, the answer of a passive
// replica, or silence. Two endpoints that both report SERVING cause no switch: the
// active endpoint stays, and multiple_active is reported.
//
// # The bound on switches
//
// Every switch has one cause: a command, a change of the list, a relapse of the
// active endpoint, or a fail-back. A relapse causes at most one switch, and
// fail-backs are at most 1 + T/holdDown in a time T. An active endpoint relapses
// at most once each suspectInterval, since it takes two successful probes to
// recover. If one of n replicas stays healthy, any number of others that flap
// faster than the hold-down cause at most n-1 switches in total, because a
// replica that has relapsed is chosen only if no steady one is eligible.
//
// # What happens to calls
//
// A call made after a switch is never sent to the endpoint that was active
// before. Unary calls in flight there may finish. Streams may continue for the
// drain window and then end UNAVAILABLE with a *cantonlb.MovedError, so that
// subscribers reconnect to the new active endpoint, unless their endpoint is
// active again. On an endpoint that is dead, idempotent calls are reissued on the
// new active endpoint, and the connection is closed after deadAfter.
//
// # What a switch does not do
//
// The choice is local to this process. Another client may have another active
// endpoint or another switch number. The number grows within one process only,
// and is not a fencing token. The lock in the replicas' database prevents two of
// them from writing at once, not this package.
//
// # Use
//
// Most programs get the policy from cantonlb.NewClient. A plain channel names it in
// its service config, and imports this package for its side effect:
//
//	import (
//		_ "github.com/cantonlb/cantonlb/failover"
//		_ "github.com/cantonlb/cantonlb/resolver"
//	)
//
//	conn, err := grpc.NewClient("static:///med1:6002,med2:6002",
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"active_passive":{}}]}`),
//		grpc.WithIdleTimeout(0), grpc.WithNoProxy(), creds)
//
// Such a channel lacks what cantonlb.NewClient adds. It has no Switch, Pin, Drain,
// Status or events. Its streams stay on an endpoint that is no longer active until
// the server ends them, and no call is reissued on another endpoint. Without
// WithIdleTimeout(0) it forgets the active endpoint after 30 minutes without calls.
//
// # Defaults
//
// The policy's JSON is that of package balancer, without zones, and with these
// keys, shown with their defaults:
//
//	{"failBack": "never", "holdDown": "10s", "drain": "5s"}
package failover
