package pick

import (
	"sync"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/evidence"
)

// tracked is a call in flight of which more must be known at its end than its
// connection. It is reused, with its own function for grpc, so that a pick allocates
// nothing.
type tracked struct {
	done func(balancer.DoneInfo) // its method end, made once

	conn *Conn
	call
	record *attempt.Record // nil if it has none

	// Guarded by the lock of among.
	among      *records // the calls among which it is; nil if it cannot be called off
	prev, next *tracked
}

// trackedCalls holds those that are not in use.
var trackedCalls sync.Pool

// inFlight returns the call that is sent to the connection.
func inFlight(conn *Conn, record *attempt.Record, k call) *tracked {
	t, ok := trackedCalls.Get().(*tracked)
	if !ok {
		t = new(tracked)
		t.done = t.end
	}
	t.conn, t.record, t.call = conn, record, k
	return t
}

// end is called when the call has ended.
func (t *tracked) end(info balancer.DoneInfo) {
	conn, record, k := t.conn, t.record, t.call
	if conn == nil {
		return // the caller has reported the end twice
	}
	if t.among != nil {
		t.among.remove(t)
	}
	t.conn, t.record = nil, nil
	trackedCalls.Put(t)

	k.late = record.Beaten()
	why := conn.end(info, k)
	if record != nil {
		if why == evidence.TokenRejected {
			record.Deny(conn.room.source.Elsewhere(record.Tried))
		}
		record.Done(info)
	}
}
