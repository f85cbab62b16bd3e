// Command bench measures cantonlb's policy beside grpc-go's own, in one process
// and one run.
//
// # Why
//
// A claim such as "twelve times faster" holds for one machine, one release of
// grpc and one way of counting. This command lets anybody check it: every policy
// is driven by its registered name and its service config alone, through the
// same fakes, servers and clock readings, and the peers' configurations stand in
// one table, policies.go. Within each repetition the policies run in shuffled
// order; a ratio is taken within a repetition, so that what the machine does
// meanwhile meets both sides, and is reported as median and range.
//
// # Use
//
//	go run ./internal/bench [-short] [-json] [-reps n] [-seed n] [suite ...]
//
// The suites:
//
//	pick      nanoseconds and allocations per pick with its Done
//	scale     connecting to many endpoints, probing them, one health flip, memory
//	flip      from NOT_SERVING to the last call that arrives at the server, under load
//	overhead  the throughput with log, metrics, events and traces on, beside all off
//
// # Defaults
//
// All suites, 5 repetitions, a seed chosen at random and printed; that takes
// some ten minutes on a quiet machine, most of them for the peers at 5,000
// endpoints. With -short 2 repetitions of small sizes, in less than a minute. Tables go to standard
// output, progress to standard error; -json prints one object a line instead of
// tables. An interrupt ends the run and prints what has been measured.
//
// The exit code is 0 if everything was measured, 1 if a policy is missing or a
// measurement failed, 2 for bad arguments, 130 after an interrupt.
package main
