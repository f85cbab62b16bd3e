// Package faults breaks real servers while this library and its peers send calls
// to them, and reports who lost how many.
//
// # Why
//
// Everybody can be quick while nothing is wrong. What a program gets from load
// balancing shows when a server hangs, answers its health checks but no calls,
// loses its packets or is restarted. So the servers here are processes that are
// really stopped, killed and cut off, and the peers are what else one could use:
// grpc-go's own policies, HAProxy and nginx, each at its defaults and as well
// tuned as we know how.
//
// There are two suites. In [Faults] every server can answer. In [Failover] the
// servers are replicas that share a lock, as those of a Canton node do, of which one
// at a time is active; the lock is held here, so that how long a takeover takes is
// known, and what a peer adds to it can be told.
//
// All peers of a run run at the same time against the same servers. Each so
// meets the very same fault at the very same instant, and whatever else the
// machine does meets all alike: the comparison is paired by construction, and a
// run costs the same however many there are.
//
// # How
//
// This program starts itself, as servers and as one client for each peer (see
// [Child]), and tells them what to do by JSON on their standard input and output.
// A [scenario] has a script that does harm and heals it; a stage is one run of
// it; what each peer has shown is judged from its calls, one by one. Servers
// whose packets are to be dropped are in network namespaces of their own, and
// the machine's network is not touched. Every process is ended by whoever started
// it, also after an interrupt; on Linux the kernel ends them if this program is
// killed.
//
// # Defaults
//
// Three servers, in which a call takes 5 ms; 100 calls a second of each peer with
// a deadline of 2 s; SIGSTOP, SIGKILL, NOT_SERVING, a slow server and a restart
// five times each, the other faults once, all in random order: about 20 minutes,
// short runs less than 3. Of the failovers a planned one, SIGKILL and SIGSTOP five
// times each, between two replicas whose takeover takes 1 s, with a deadline of 3 s:
// about 11 minutes, short runs a minute and a half. What a proxy or a network namespace is missing for is
// left out, with a message.
package faults
