package attempt

import "time"

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
	// CalledOff says that the attempt was ended by Rescue.
	CalledOff bool

	by     *Record       // the record of the attempt, which may be that of a hedge
	denied bool          // the server rejected the token of its endpoint
	began  time.Duration // by the clock of Method
	open   bool          // it has not ended
	beaten bool          // it took too long: a later one was answered, or it was given up
	void   bool          // grpc could not use the pick: it is not an attempt
}
