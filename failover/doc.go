// Package failover picks one of several replicas, the active, and follows when
// another one takes over.
//
// # Why
//
// Of the replicas of a Canton participant, mediator or domain manager one is
// active: it holds a lock in their shared database. The others refuse connections,
// or answer that they are passive. A client that goes round all of them fails most
// of its calls; one that dials a single address stands still when that replica
// does; and one that goes to whoever is healthy at the moment goes back and forth
// between two that both say so. This package holds on to one replica while it is
// well, keeps the others connected and probed, and changes over in the moment in
// which the one is known to be gone and another to serve.
//
// It is a load-balancing policy of gRPC, active_passive, which cantonlb.NewClient
// uses for the roles of active-passive nodes, and a [Group] for what is no gRPC
// channel: the base URLs of an HTTP service, or the addresses of a database.
//
// # How the active is chosen
//
// The active stays while it is eligible: healthy or merely suspect, not drained,
// and, of the policy, connected; while its connection is made anew it has a second.
// Otherwise the best that is eligible follows: one that nothing speaks against
// before one in doubt, a steady one before one that has relapsed within its
// hold-down, then the lowest Priority number, then the order of the list. Without
// one, nobody is active, and everybody is asked again and again, after 0.1 s at
// first and every second in the end, until somebody serves; at doors that are
// closed somebody knocks several times a second. The very first choice
// waits up to a second for a preferred endpoint that is still connecting.
//
// With failBack "afterHold" the active gives way to a preferred endpoint that has
// been eligible for its hold-down, counted from its recovery, or from the last
// switch if that came later. Each relapse begins it anew, and doubles it if the
// endpoint has not been eligible for twice as long, up to 16 times.
//
// Whatever makes the active suspect, a lost connection, a failed probe, the answer
// of a passive replica or silence, has all endpoints probed at once. Two that both
// say SERVING change nothing: the active stays, and multiple_active is reported.
//
// # The bound
//
// Every switch has one cause: a command, a change of the list, a relapse of the
// active, or a fail-back. A relapse causes at most one, and fail-backs are at most
// 1 + T/holdDown in a time T. An active relapses at most once each suspectInterval,
// since it takes two good probes to recover. And if one of n replicas stays well,
// any number of others that flap faster than the hold-down cause no more than n-1
// switches in all, because a replica that has relapsed is chosen only if there is
// no steady one.
//
// # What happens to calls
//
// A call made after the event of a switch is never given to the endpoint that was
// active before. Unary calls under way there may finish. Streams may go on for the
// drain window and end UNAVAILABLE with a *cantonlb.MovedError then, so that
// subscribers come to the new active, unless their endpoint is the active again. On
// an endpoint that is dead, idempotent calls are made again on the new active, and
// the connection is closed after deadAfter.
//
// # What a switch is not
//
// The choice is this process's own. Another client may have another active, or be
// at another switch number: the number only grows within one process, and is no
// fencing token for others. What keeps two replicas from writing at once is the
// lock in their database, not this package.
//
// # Use
//
// Most programs get the policy from cantonlb.NewClient. A plain channel names it in
// its service config, and imports this package for its effect:
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
// Status or events. Its streams stay on an endpoint that is not the active any more
// until the server ends them, and no call is made again elsewhere. Without
// WithIdleTimeout(0) it forgets who is active after half an hour without calls.
//
// # Defaults
//
// The policy's JSON is that of package balancer, without zones, and these keys, with
// the defaults as values:
//
//	{"failBack": "never", "holdDown": "10s", "drain": "5s"}
package failover
