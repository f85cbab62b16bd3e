package report

import "time"

// IneligibleEndpoint explains why one endpoint may not be picked. The errors of calls
// contain it.
type IneligibleEndpoint struct {
	Name string
	// State is a word such as StateUnhealthy, StateUnreachable, StateUnknown,
	// StateConnecting or StateDrained.
	State EndpointState
	// Reason is why the endpoint is in this state, if that is about its health.
	Reason Reason
	// Detail is for people: a bounded text, such as that of a connection error.
	Detail string
	// For is how long the endpoint has been in this state, and NextTry is the time
	// until the next attempt to connect. Both are 0 where they do not apply.
	For, NextTry time.Duration
}
