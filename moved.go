package cantonlb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/endpointset"
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
	return fmt.Sprintf("rpc error: code = %v desc = %s", codes.Unavailable, (*endpointset.MovedError)(e))
}

// GRPCStatus returns the error as a gRPC status.
func (e *MovedError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, (*endpointset.MovedError)(e).Error())
}

// movable is a stream that the policy may end.
type movable struct {
	grpc.ClientStream

	ctx    context.Context //nolint:containedctx // the caller's: it shows whether the caller ended the stream
	record *attempt.Record
}

// openMovable opens a stream that the policy may end.
func openMovable(ctx context.Context, record *attempt.Record, opts []grpc.CallOption,
	open func(context.Context, ...grpc.CallOption) (grpc.ClientStream, error),
) (grpc.ClientStream, error) {
	own, cancel := context.WithCancel(attempt.NewContext(ctx, record))
	record.Movable = true
	record.Begin(cancel)
	m := &movable{ctx: ctx, record: record}
	stream, err := open(own, append(slices.Clip(opts), grpc.OnFinish(func(error) { cancel() }))...)
	if err != nil {
		cancel()
		return nil, m.moved(typed(err, record))
	}
	m.ClientStream = stream
	return m, nil
}

// moved returns the stream's error, as a *MovedError if the policy ended the stream.
func (m *movable) moved(err error) error {
	var why *endpointset.MovedError
	ended := errors.As(m.record.Ended(), &why)
	if !ended || status.Code(err) != codes.Canceled || m.ctx.Err() != nil {
		return err
	}
	return (*MovedError)(why)
}

func (m *movable) RecvMsg(msg any) error { return m.moved(m.ClientStream.RecvMsg(msg)) }

func (m *movable) SendMsg(msg any) error { return m.moved(m.ClientStream.SendMsg(msg)) }
