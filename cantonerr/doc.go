// Package cantonerr reads what a Canton or Daml node says about an error, beyond
// its gRPC code.
//
// # Why
//
// The gRPC code of such an error is too coarse to act on: UNAVAILABLE may mean
// that this replica is passive, that the node is shutting down or that the network
// broke, and a command that was accepted before comes back as ALREADY_EXISTS. The
// node says more: what kind of error it is, whether the same request may succeed
// later, whether the command may yet be accepted, and how to find the request in
// its logs.
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
// The functions take any error: that of a call on a cantonlb.Client, on a plain
// channel, or of status.FromProto(completion.Status).Err().
//
// # Where it is read
//
// From the details of the gRPC status (google.rpc.ErrorInfo, RequestInfo and
// RetryInfo). Where a proxy or an old node has left these out, the beginning of the
// message is read instead, which has the form ID(category,correlation id): text.
// All of it comes from a peer: every length and number is bounded, and what is out
// of bounds is left out.
//
// # Defaults
//
// None: nothing here can be configured, keeps a state or logs. Everything is safe
// for concurrent use.
package cantonerr
