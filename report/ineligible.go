package report

import "time"

// IneligibleEndpoint is why one endpoint may not be picked, as the errors of calls
// tell it.
type IneligibleEndpoint struct {
	Name string
	// State is a word such as StateUnhealthy, StateUnknown, StateConnecting or
	// StateDrained.
	State EndpointState
	// Reason is why, if it is about the endpoint's health.
	Reason Reason
	// Detail is for people: a bounded text, such as that of a connection error.
	Detail string
	// For is how long it has been so, and NextTry the time until the next attempt
	// to connect; 0 where that does not apply.
	For, NextTry time.Duration
}
