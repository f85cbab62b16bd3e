// Package faults breaks real servers while this library and its peers send calls to
// them, and reports how many calls each of them lost.
//
// # Why
//
// Without faults, every load balancer performs well. The differences appear when a
// server hangs, answers its health checks but no calls, loses its packets or is
// restarted. The servers here are therefore processes that are really stopped,
// killed and cut off. The peers are the alternatives: grpc-go's own policies,
// HAProxy and nginx, each with its defaults and with the best tuning that we know.
//
// There are three suites. In [Faults] every server can answer. In [Failover] the
// servers are replicas that share a lock, as those of a Canton node do, and one at
// a time is active. This program holds the lock, so that the duration of a takeover
// is known, and what a peer adds to it can be measured. In [Slow] servers are slow at
// times: success in time, and the load of retries and hedges, are measured.
//
// All peers of a run run at the same time against the same servers. Each therefore
// meets the same fault at the same instant, and other load of the machine affects
// all alike. The comparison is paired by construction, and a run takes the same
// time for any number of peers.
//
// # How
//
// This program starts itself, as servers and as one client for each peer (see
// [Child]), and controls them by JSON on their standard input and output. A
// [scenario] has a script that causes a fault and heals it; a stage is one run of
// it. The results of each peer are computed from its individual calls. Servers
// whose packets are dropped are in network namespaces of their own, and the
// machine's network is not touched. Every process is ended by the process that
// started it, also after an interrupt; on Linux the kernel ends them if this
// program is killed.
//
// # Defaults
//
// For the faults: three servers, in which a call takes 5 ms; 100 calls a second of
// each peer with a deadline of 2 s; SIGSTOP, SIGKILL, NOT_SERVING, a slow server
// and a restart five times each, the other faults once, all in random order: about
// 20 minutes, short runs less than 3. For the failovers: a planned one, SIGKILL and
// SIGSTOP five times each, between two replicas whose takeover takes 1 s, with a
// deadline of 3 s: about 11 minutes, short runs a minute and a half. For slow servers:
// three to eleven, in which a call takes 10 ms, with a deadline of 1 s: about 30
// minutes, short runs two. Runs that need
// a missing proxy or network namespace are left out, with a message.
package faults
