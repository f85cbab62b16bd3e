// Package cantonerr reads what a Canton or Daml node says about an error, beyond
// its gRPC code.
//
// # Why
//
// The gRPC code of such an error is too coarse to act on: UNAVAILABLE may mean
// that this replica is passive, that the node shuts down or that the network
// broke, and a command that was accepted already comes back as ALREADY_EXISTS.
// The node says more, in two places: in the details of the status
// (google.rpc.ErrorInfo, RequestInfo and RetryInfo), and once more, for people, at
// the beginning of its message, as ID(category,correlation id): text. The details
// count; the message stands in where a proxy or an old node has left them out.
//
// All of it comes from a peer, so that every length and number here is bounded,
// and what is out of bounds is left out.
//
// # Defaults
//
// None: nothing here can be configured, keeps a state or logs.
package cantonerr
