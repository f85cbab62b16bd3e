// Package leases compares ways to have one live instance of a program.
//
// # Why
//
// What a lease is worth shows when its holder is killed, stopped or cut off, and when
// its store is restarted or away. Each peer is run as two processes, a holder and a
// candidate, on a real PostgreSQL or etcd, or on a fake Kubernetes API server. Both
// write down when they act, by the one clock that all processes of a machine share.
// The suite compares how long no process acts, and how often a process acts although
// another one has begun.
//
//	child.go    a candidate, as a process
//	peers.go    the ways that are compared
//	stores.go   the stores that they need
//	link.go     the connection of one candidate to its store, which can be cut
//	faults.go   what happens to a holder
//	run.go      one measurement, and all of them
//	report.go   the table
package leases
