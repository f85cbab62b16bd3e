// Package cantonerr reads what a Canton or Daml node reports about an error in addition
// to its gRPC code.
//
// # Why
//
// The gRPC code of such an error is too coarse to act on. UNAVAILABLE may mean that
// this replica is passive, that the node is shutting down or that the network failed,
// and a command that was accepted before returns ALREADY_EXISTS. The node reports more:
// the kind of error, whether the same request may succeed later, whether the command
// may still be accepted, and how to find the request in its logs.
//
//	_, err := client.SubmitAndWait(ctx, request)
//	switch {
//	case cantonerr.AlreadyDone(err):
//		return nil // an earlier try was accepted
//	case cantonerr.Retryable(err):
//		return again(request) // with the same command id
//	}
//	if said, ok := cantonerr.From(err); ok {
//		log.Printf("%s, correlation id %s", said.ID, said.CorrelationID)
//	}
//
// The functions take any error: that of a call on a cantonlb.Client or on a plain
// channel, or that of status.FromProto(completion.Status).Err().
//
// # Sources
//
// The package reads the details of the gRPC status (google.rpc.ErrorInfo, RequestInfo
// and RetryInfo). If a proxy or an old node has omitted these, it reads the beginning of
// the message, which has the form ID(category,correlation id): text. All of this comes
// from a peer: every length and number is bounded, and values out of bounds are omitted.
//
// # Defaults
//
// There are none: nothing in this package can be configured, keeps state or logs.
// Everything is safe for concurrent use.
package cantonerr
