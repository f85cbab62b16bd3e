// Package pick gives calls to connections.
//
// # Why
//
// A pick is on the path of every call of every goroutine, so it takes no lock and
// allocates nothing, and it must never touch what the lock of its set guards. Here that
// holds by construction: this package knows connections only as a pick sees them, and
// nothing of endpoints, lists and health. What a call finds out by its end goes to the
// connection's [Owner], which may lock.
//
// # Parts
//
//	conn.go      one connection: whether it may be picked, and what its calls found out
//	counters.go  the accounts of its calls, and the one word that a pick steps
//	streak.go    calls that failed in a row
//	records.go   calls in flight that can be called off, or streams that can be ended
//	roster.go    the eligible connections, to be copied at little cost
//	picker.go    an immutable snapshot, which picks
//	refusal.go   the picker of a set with nothing to pick
//
// # A race that is none
//
// A connection is made eligible, and made not so, by one bit in the word that each pick
// counts in. So whoever clears the bit and then finds no call in flight will find none
// later. A pick that comes too late takes its step back and looks further.
package pick
