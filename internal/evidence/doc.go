// Package evidence decides which calls are evidence against their endpoint.
//
// # Why
//
// A call that fails says something about its endpoint only if the endpoint could have
// served it. A request that cannot be encoded, credentials without a token, a caller
// without patience and a stream that was opened until a deadline are not the
// endpoint's fault. If they counted, good endpoints would be ejected.
//
// The decision is a pure function of how the call ended: [Judge]. docs/reasons.md
// explains each result.
//
//	evidence.go  the function
//	origin.go    how grpc's report of a call's end becomes its input
//	usual.go     whether a call's deadline left the endpoint enough time
package evidence
