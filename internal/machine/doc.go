// package machine is the pure state machines of one endpoint.
//
// # Why
//
// What an endpoint does next follows from what it is and what happens to it. Each such
// rule is a function from the state before and an event to the state after and its
// effects, with no clock, no lock and no connection: so each is tested as a table, and
// entirely. Their owner, internal/endpointset, does what the effects say.
//
//	link.go        the connection: when to dial, when to back off
//	silence.go     calls in flight and nothing heard
//	passive.go     answers that speak against the endpoint, how often they raise a doubt
//	ejection.go    calls that fail while probes pass
//	validation.go  finding out who is at the other end
package machine
