// Package leasetest helps to test programs that hold leases, and stores of leases.
//
// # Why
//
// What a program does when it loses its lease is seldom seen, and so seldom right.
// [Store] is a store in memory. Each candidate of a test reaches it over a [Link] of
// its own, which can be cut, slow, or lose answers, so that a test can cause in a
// moment what takes a failing network otherwise:
//
//	s := leasetest.NewStore()
//	link := s.Link()
//	go lease.Run(ctx, lease.Config{Store: link, Name: "pink", Clock: lease.Monotonic}, work)
//	...
//	link.Cut() // the context of work ends, and another candidate takes over
//
// All of it works in a bubble of testing/synctest, where a takeover costs no time;
// the candidates need [lease.Monotonic] as their clock there.
//
// [Conformance] is the suite that each store of this project passes, for the stores
// that you write. It tests Watch if the store is a store.Watcher.
package leasetest
