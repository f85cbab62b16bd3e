package attempt

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Observed describes one attempt to the observer.
type Observed struct {
	// Endpoint and Address are the attempt's destination. Number counts the call's
	// attempts, from 1.
	Endpoint, Address string
	Number            int
	// Hedge says that the attempt is a hedge.
	Hedge bool
	// Ended says that the attempt has ended, and Err is its result.
	Ended bool
	Err   error
}

// Attempt is one try of a call on one endpoint.
type Attempt struct {
	// Endpoint is the endpoint's name, and Address the address to which it is
	// connected.
	Endpoint, Address string
	// Err is the attempt's result, nil if it succeeded or has not ended. Sent says
	// that a byte of the call may have reached the server.
	Err  error
	Sent bool
	// CalledOff says that the client has ended the attempt: by Rescue, since it took too
	// long, or by leaving it alone.
	CalledOff bool

	by     *Record       // the record of the attempt, which may be that of a hedge
	denied bool          // the server rejected the token of its endpoint
	began  time.Duration // by the clock of Method
	open   bool          // it has not ended
	beaten bool          // it took too long: a later one was answered, or it was given up
	void   bool          // grpc could not use the pick: it is not an attempt
}

// Newest returns the newest attempt, or the zero value if there was none.
func (r *Record) Newest() Observed {
	defer r.lock().mu.Unlock()
	return r.newestLocked()
}

func (r *Record) newestLocked() Observed {
	if r.last == 0 {
		return Observed{}
	}
	last := r.root().tried[r.last-1]
	return Observed{Endpoint: last.Endpoint, Address: last.Address, Number: r.last, Hedge: r.IsHedge(), Ended: !r.open, Err: last.Err}
}

// errUnused is the end of an attempt for the observer, if grpc could not use the pick.
var errUnused = status.Error(codes.Unavailable, "the connection ended before the attempt was sent")

// errLeft is the end of an attempt that was left alone, since its credentials hang.
var errLeft = status.Error(codes.Canceled, "the attempt was left alone")

// Attempts returns the attempts of a call that has ended, in order.
func (r *Record) Attempts() []Attempt {
	root := r.lock()
	defer root.mu.Unlock()
	var all []Attempt
	for _, a := range root.tried {
		if a.void {
			continue
		}
		end := Attempt{Endpoint: a.Endpoint, Address: a.Address, Err: a.Err, Sent: a.Sent, CalledOff: a.CalledOff || a.beaten || a.open}
		if a.open {
			end.Err = errLeft
		}
		all = append(all, end)
	}
	return all
}
