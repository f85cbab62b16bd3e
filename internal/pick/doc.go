// Package pick assigns calls to connections.
//
// # Why
//
// A pick is on the path of every call of every goroutine. It allocates nothing, and
// takes no lock that is shared by all calls, unless it has to wait for a stream: a call
// with a record takes that of its record, and, if it may be called off, that of the calls
// on its connection. It must never touch what the lock of its set guards. The
// imports ensure that: this package knows connections only as a picker uses them, and
// nothing of endpoints, lists and health. What a call has found out at its end goes
// to the connection's [Owner], which may lock.
//
// # Parts
//
//	conn.go      one connection: whether it may be picked, and what its calls found out
//	counters.go  the counts of its calls, and the one word that a pick changes
//	ended.go     what the end of a call shows
//	streak.go    calls that failed in a row
//	records.go   calls in flight that can be called off, and streams that can be ended
//	streams.go   connections whose server limits their streams
//	waiting.go   calls that wait for a stream
//	roster.go    the eligible connections, cheap to copy
//	room.go      what the snapshots of one set share
//	noting.go    the pick of a call with a record of its attempts
//	picker.go    an immutable snapshot, which picks
//	least.go     the pick of the less loaded of two
//	load.go      the latency of a connection, estimated from its calls
//	call.go      a call in flight, reused so that a pick allocates nothing
//	refusal.go   the picker of a set with nothing to pick
//
// # Eligibility and picks do not race
//
// A connection is eligible while one bit is set in the word in which each pick
// counts. A caller that clears the bit and then finds no call in flight will find
// none later. A pick that comes too late undoes its step and picks another
// connection.
package pick
