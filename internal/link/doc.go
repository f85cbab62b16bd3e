// Package link gets one endpoint a connection, and another one when that is lost.
//
// # Why
//
// An endpoint may have several addresses, a name that resolves to several more, and a
// server that is slow, away, or accepts connections and closes them. grpc's own policies
// hide the connection and pace the attempts for one SubConn at a time. Here the SubConns of
// an endpoint are raced, its server is knocked on during the pauses, and a connection that
// has proven itself is replaced at once.
//
// A [Link] reports to its [Owner], which judges the endpoint. The state machines are
// machine.Link and machine.Race, both pure. This package supplies their events and carries
// out their effects:
//
//	link.go   the steps of the link, and the pauses between attempts
//	race.go   the race of an endpoint's addresses for a connection
//	slot.go   one SubConn, which is used again for each attempt to connect
//	conn.go   one attempt and its connection, and its end if grpc does not report it
//	probe.go  the probes on a connection, and how they see it
//	hearing.go  what is received for the calls on a connection
//	loss.go   when a connection has proven itself, and how often it is replaced
//	knock.go  bare TCP connects between attempts to connect
//
// # Locks
//
// There is one lock, that of the scope. It guards everything that is not marked immutable.
// It is held when a method of this package or of an Owner is called, unless its comment
// says otherwise. grpc is called through the scope's queue, without the lock.
package link
