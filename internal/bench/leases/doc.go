// Package leases compares ways to have one live instance of a program.
//
// # Why
//
// What a lease is worth shows when its holder is killed, stopped or cut off, and when
// its store is restarted or away. Each peer is run as two processes, a holder and a
// candidate, on a real PostgreSQL or etcd, or on a fake Kubernetes API server. Both
// write down when they act, by the one clock that all processes of a machine share, and
// commit to the store, where it has transactions, as fast as it permits. The suite
// compares how long a takeover takes, how often a process acts although another one has
// begun, and how often it commits although another one has.
//
// Each measurement is a process with a network of its own, in which the store and both
// candidates have addresses: packets are really lost, in one direction. All peers have
// the same fault at the same time, after all of them are ready.
//
//	run.go          what is measured, in which order
//	measurement.go  one measurement, as a process
//	candidate.go    a candidate, as its parent sees it
//	child.go        a candidate, as a process
//	peers.go        the ways that are compared: package lease
//	others.go       the others
//	stores.go       the stores that they need
//	kit.go          what starts and ends the stores
//	faults.go       what happens to a holder
//	judge.go        what two candidates have done wrong
//	report.go       the table
package leases
