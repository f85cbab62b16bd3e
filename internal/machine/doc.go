// Package machine contains the pure state machines of endpoints.
//
// # Why
//
// What an endpoint does next depends on its state and on what happens to it. Each rule
// is a function from a state and an event to the next state and its effects. It has no
// clock, no lock and no connection, so tables can test it completely. The owner of the
// machines, internal/endpointset, carries out the effects.
//
//	link.go        the connection: when to dial, when to back off
//	race.go        the addresses of an endpoint: when to try the next one
//	silence.go     calls in flight on a silent connection
//	passive.go     how often failed calls raise a doubt that probes deny
//	ejection.go    calls that fail while probes pass
//	validation.go  whether the endpoint is the expected one
//	handover.go    when the endpoints that have left the list cease to serve
package machine
