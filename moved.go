package cantonlb

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/report"
)

// MovedError is the error of a stream whose endpoint has not been the active endpoint
// for the duration of Failover.Drain, or has not been picked for that of
// Config.StreamDrain. A stream that is opened again goes to another endpoint, if one is
// eligible. The error is a gRPC status with the code UNAVAILABLE.
type MovedError struct {
	// From is the endpoint of the stream, and To the one that took over from it. To is
	// empty unless the policy is ActivePassive.
	From, To string
	// Reason is why To took over, or why From is not picked any more.
	Reason report.Reason
}

// Error returns a text that names the endpoints and the reason.
func (e *MovedError) Error() string {
	return fmt.Sprintf("rpc error: code = %v desc = %s", codes.Unavailable, (*explain.MovedError)(e))
}

// GRPCStatus returns the error as a gRPC status.
func (e *MovedError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, (*explain.MovedError)(e).Error())
}
