// Package lease keeps one of several candidate processes at work, and the others ready.
//
// # Why
//
// "Running the same trigger rule on multiple live trigger service instances is not
// allowed", and the same holds for most automation on a ledger: a second instance
// acts a second time. Yet a single instance stops when its machine does. So several
// candidates stand by, and one of them holds a lease that it must renew; if it does
// not, another one takes over. This is easy to get wrong. An advisory lock of a
// session on a pooled connection is lost when the pool retires the connection. A
// process that was stopped and resumes still believes that it holds the lease. Clocks
// of two machines disagree.
//
// [Run] acquires a lease, runs work while it holds the lease, and tries again when it
// has lost the lease:
//
//	err := lease.Run(ctx, lease.Config{Store: store, Name: "pink"},
//		func(ctx context.Context, l lease.Lease) error {
//			for ctx.Err() == nil {
//				act(ctx, l.Token)
//			}
//			return nil
//		})
//
// The store is one of lease/pglease, lease/etcdlease and lease/k8slease, each a module of
// its own, or your own implementation; see package store. A [Group] spreads many leases
// over many processes. Package lease/process runs a program that does not use the library.
//
// # What is promised
//
// While both processes run, their contexts do not overlap if the rates of their
// clocks differ by less than Margin/TTL. Clocks need not be synchronised: every
// candidate uses its own, which on Linux continues while the machine sleeps.
//
// After a pause of a process (SIGSTOP, or a virtual machine that is stopped while its
// clock continues) a context may look live until its timer fires, but [Lease.Valid] is
// false from the first instruction, and so is ctx.Err() == nil of the context that
// work is called with.
//
// An action that began before the pause can be stopped only where it writes: by a
// check of the fencing token, [Lease].Token, which grows with each holder. Package
// pglease has Check for a transaction, package etcdlease a comparison. An action that
// cannot carry a token, such as a command to a ledger, needs an ID of its own, so that
// a repetition has no further effect.
//
// # How long a takeover takes
//
// A holder whose work has returned, or whose ctx has ended, releases the lease at
// once. A candidate acquires it as soon as the store notifies it, or within Poll. The
// lease of a holder that is killed or stopped lasts until TTL after its last renewal; a
// candidate that was watching acquires it at most one polling period later.
//
// # Work that does not end
//
// The context of work ends Margin before another candidate can acquire the lease. Work
// that has not returned StuckAfter later is reported, as EventStuck and in the log, and
// with ExitWhenStuck the process ends. Run does not try again before work has returned,
// so that there are never two instances in one process.
//
// # Defaults
//
//	TTL         10 s       Holder   the host's name and the process's number
//	Margin      TTL / 10   Logger   slog.Default()
//	RenewEvery  TTL / 3    Poll     200 ms
//	StuckAfter  Margin / 2
package lease
