// Package lease keeps one instance of something running, of several that could.
//
// # Why
//
// "Running the same trigger rule on multiple live trigger service instances is not
// allowed", and the same holds for most automation on a ledger: a second instance
// acts a second time. Yet one instance on one machine stops when that does. So
// several candidates stand by, and one of them holds a lease that it must renew; if
// it does not, another one takes over. That is easily done wrong: a session's
// advisory lock on a pooled connection is lost when the pool retires it; a stopped
// process goes on, when it is continued, with what it thinks it holds; and clocks of
// two machines disagree.
//
// [Run] acquires a lease, runs work while it holds it, and goes on trying:
//
//	err := lease.Run(ctx, lease.Config{Store: store, Name: "pink"},
//		func(ctx context.Context, l lease.Lease) error {
//			for ctx.Err() == nil {
//				act(ctx, l.Token)
//			}
//			return nil
//		})
//
// The store is one of lease/pglease, lease/etcdlease and lease/k8slease, modules of their
// own, or one that you write, see package store. A [Group] spreads many leases over many
// processes, and package lease/process runs a program that knows nothing of all this.
//
// # What is promised
//
// While both processes run, their contexts do not overlap if the rates of their
// clocks differ by less than Margin/TTL. No clocks have to be synchronised: every
// candidate counts on its own, which on Linux goes on while the machine sleeps.
//
// After a pause of a process (SIGSTOP, or a virtual machine that is stopped while its
// clock goes on) a context may look live until its timer fires, but [Lease.Valid] is
// false from the first instruction, and so is ctx.Err() == nil of the context that
// work is called with.
//
// An action that was begun before the pause is stopped only where it writes: by a
// check of the fencing token, [Lease].Token, which grows with each holder. Package
// pglease has Check for a transaction, package etcdlease a comparison. What cannot
// carry a token, such as a command to a ledger, needs an identity of its own, so that
// doing it twice is doing it once.
//
// # How long a takeover takes
//
// A holder whose work has returned, or whose ctx has ended, gives the lease up at
// once; a candidate takes it as soon as it is told, or within Poll. The lease of one
// that is killed or stopped stands until TTL after its last renewal; a candidate that
// was watching has it at most one period of reading later.
//
// # Work that does not end
//
// The context of work ends Margin before the lease can pass on. Work that has not
// returned StuckAfter later is reported, as EventStuck and in the log, and with
// ExitWhenStuck the process ends. Run does not try again before work has returned,
// so that there are never two in one process.
//
// # Defaults
//
//	TTL         10 s       Holder   the host's name and the process's number
//	Margin      TTL / 10   Logger   slog.Default()
//	RenewEvery  TTL / 3    Poll     200 ms
//	StuckAfter  Margin / 2
package lease
