package ledger

import (
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/cantonerr"
)

// nodeErrorOf reads what a node has said about err: an empty Error if no node has said anything. The
// delay of a RetryInfo counts all the same, which a proxy may have left.
func nodeErrorOf(err error) cantonerr.Error {
	if e, ok := cantonerr.From(err); ok {
		return *e
	}
	return cantonerr.Error{RetryDelay: retryDelay(err)}
}

// maxRetryDelay bounds what a peer may ask for, as cantonerr does.
const maxRetryDelay = time.Hour

// retryDelay returns the delay of a RetryInfo, 0 if there is none.
func retryDelay(err error) time.Duration {
	s := statusOf(err)
	if s == nil {
		return 0
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay().IsValid() {
			return min(max(0, info.GetRetryDelay().AsDuration()), maxRetryDelay)
		}
	}
	return 0
}

// statusOf returns the gRPC status that err is or wraps, nil if there is none.
func statusOf(err error) *status.Status {
	var s interface {
		error
		GRPCStatus() *status.Status
	}
	if errors.As(err, &s) {
		return s.GRPCStatus()
	}
	return nil
}

// codeOf returns the code of the gRPC status that err is or wraps, and codes.Unknown for another
// error.
func codeOf(err error) codes.Code {
	if s := statusOf(err); s != nil {
		return s.Code()
	}
	return codes.Unknown
}
