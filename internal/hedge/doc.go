// Package hedge decides when a call that takes long is sent a second time.
//
// # Why
//
// A server that is slow, or that hangs and is not known to, costs every call that it
// gets its whole delay. If a call may be executed more than once, another endpoint can
// be asked beside it, and the first answer counts. When to do that decides whether it
// helps or harms: too early, and the servers have twice the load; too late, and the
// caller has waited in vain. What decides is pure, so that it can be tested with fake
// time; the root package makes the attempts.
//
//	next.go       when one call is hedged, by its attempts so far
//	delays.go     the delay of each method, from the calls of the last minute
//	histogram.go  the durations of the last minute, in bounded memory
//	pace.go       which endpoints are slower than the others
//
// A call takes no lock here.
package hedge
