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
	// Phase is how far the attempt to connect has come, if one is under way. It is
	// empty for an endpoint that is unreachable: Detail is why the last one failed.
	Phase ConnectPhase
	// For is how long the endpoint has been in this state, or in this phase, and NextTry is the time
	// until the next attempt to connect. Both are 0 where they do not apply.
	For, NextTry time.Duration
}
