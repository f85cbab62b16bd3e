// Command bench compares cantonlb with grpc-go's own policies, and under faults
// with proxies too, in one run.
//
// # Why
//
// A claim such as "twelve times faster" holds for one machine, one release of grpc
// and one way of counting. With this command the claim can be checked: every policy
// is selected only by its registered name and its service config, and runs with the
// same fakes, servers and clock readings. The peers' configurations are in one
// table, policies.go. Within each repetition the policies run in random order.
// Ratios are computed within a repetition, so that other load of the machine
// affects both sides, and are reported as median and range.
//
// # Use
//
//	go run ./internal/bench [-short] [-json] [-reps n] [-seed n] [-for d] [-calls n] [-hedge] [suite ...]
//	go run ./internal/bench faults|failover|slow|lease [-fault names] [-peer names] [-write docs]
//	go run ./internal/bench -against binary [-short] [-reps n] suite ...
//
// The suites:
//
//	pick      nanoseconds and allocations per pick with its Done
//	scale     connecting to many endpoints, probing them, one health flip, memory
//	flip      from NOT_SERVING to the last call that arrives at the server, under load
//	overhead  the throughput with log, metrics, events and traces on, and with all off
//	faults    failed calls, and how long until none fails, while servers are stopped,
//	          killed, slowed and cut off; see package faults
//	failover  time without an answer beyond the takeover, failed calls, switches and stray
//	          calls, while one of two replicas takes over from the other; see package faults
//	slow      success within a second, latency, and extra load, while servers are slow; see
//	          package faults
//
// These run only if they are named:
//
//	soak    random faults, one a second, under all kinds of calls: is a call lost, made
//	        twice or answered with that of another, and does anything grow?
//	http    failed requests, p50 and p99 while one of two HTTP servers is killed, stopped,
//	        slowed or restarted: package jsonapi, http.Client, httplb, HAProxy and nginx
//	lease   how long a takeover takes, and actions and commits outside the lease, while
//	        the holder of a lease is killed, stopped or cut off, or its store is away:
//	        package lease, advisory locks, etcd's election, client-go's leader election
//	names   time until healthy, failed calls and connections of a name whose addresses
//	        or name servers fail, beside grpc's dns with pick_first; see package hostnames
//	probes  health RPCs a second at the servers and the client's processor time: idle,
//	        under traffic, with quiet streams, and with many endpoints
//
// # Before and after
//
// Two runs on one machine differ by more than a change of the code does. With -against,
// this binary and one of an older commit run each suite once in each repetition, one
// right after the other and in random order. Each repetition is a pair; the table has
// the median of the pairs' ratios and its 95 % interval, which holds for any
// distribution. At least six pairs are needed, and more make the interval narrower. The
// lines of peers, whose code is the same in both, show what the comparison is worth.
//
//	git worktree add ../before <commit>
//	(cd ../before/internal/bench && go build -o /tmp/before .)
//	go run ./internal/bench -against /tmp/before -reps 20 overhead pick flip
//
// # Defaults
//
// All suites of the first list, 5 repetitions, a seed chosen at random and
// printed; that takes about ten minutes on a quiet machine, most of them for the
// peers at 5,000 endpoints, another twenty for the faults, eleven for the failovers
// and half an hour for slow servers. With -short 2 repetitions of small sizes, in less
// than a minute, another two for the faults, and one and a half each for the failovers
// and for slow servers. The suite lease takes about three minutes for each repetition,
// so half an hour with -reps 10. Tables go to
// standard output, progress to standard error; -json prints one object a line
// instead of tables. The soak is one run, regardless of -reps: of 20 minutes, with
// -short of half a minute, or as set by -for or -calls. An interrupt ends the run
// and prints what has been measured.
//
// The exit code is 0 if everything was measured, 1 if a policy is missing, a
// measurement failed or the soak found a violation, 2 for bad arguments, 130 after
// an interrupt.
package main
