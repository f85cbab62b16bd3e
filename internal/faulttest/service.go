package faulttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The methods of the service. Each takes the call's id and returns it in its
// answer.
const (
	readMethod   = "/faulttest.Ledger/Read"   // idempotent
	writeMethod  = "/faulttest.Ledger/Write"  // not idempotent
	followMethod = "/faulttest.Ledger/Follow" // a stream of messages messages
)

const (
	// work is how long a call takes at most.
	work = 4 * time.Millisecond
	// messages is how many messages a stream has, one per pause.
	messages = 20
	every    = 25 * time.Millisecond
)

// Register adds the service to a server.
func Register(srv *grpc.Server) { srv.RegisterService(&ledger, nil) }

var ledger = grpc.ServiceDesc{
	ServiceName: "faulttest.Ledger",
	Methods: []grpc.MethodDesc{
		{MethodName: "Read", Handler: answer(readMethod)}, {MethodName: "Write", Handler: answer(writeMethod)},
	},
	Streams:  []grpc.StreamDesc{{StreamName: "Follow", Handler: follow, ServerStreams: true}},
	Metadata: "faulttest/ledger.proto",
}

// answer returns the handler of a unary method.
func answer(method string) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.UInt64Value)
		if err := decode(in); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, _ any) (any, error) {
			if err := wait(ctx, rand.N(work)); err != nil {
				return nil, status.FromContextError(err).Err()
			}
			return wrapperspb.String(answerTo(in.GetValue())), nil
		}
		return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: method}, handle)
	}
}

// answerTo returns the answer to a call. Its length differs from call to call.
func answerTo(id uint64) string { return fmt.Sprintf("%d:%*d", id, int(id%97), id) }

func follow(_ any, stream grpc.ServerStream) error {
	in := new(wrapperspb.UInt64Value)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	for n := range messages {
		if err := stream.SendMsg(wrapperspb.String(messageOf(in.GetValue(), n))); err != nil {
			return err
		}
		if err := wait(stream.Context(), every); err != nil {
			return status.FromContextError(err).Err()
		}
	}
	return nil
}

// messageOf returns message n of a stream.
func messageOf(id uint64, n int) string { return fmt.Sprintf("%d/%d", id, n) }

// call makes a unary call.
func call(ctx context.Context, cc grpc.ClientConnInterface, method string, id uint64) (string, error) {
	out := new(wrapperspb.StringValue)
	err := cc.Invoke(ctx, method, wrapperspb.UInt64(id), out)
	return out.GetValue(), err
}

// followAll reads a stream to its end, and passes its messages to see.
func followAll(ctx context.Context, cc grpc.ClientConnInterface, id uint64, see func(string)) error {
	stream, err := cc.NewStream(ctx, &ledger.Streams[0], followMethod)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.UInt64(id)); err != nil && !errors.Is(err, io.EOF) { // EOF: RecvMsg returns the status
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		out := new(wrapperspb.StringValue)
		err := stream.RecvMsg(out)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		see(out.GetValue())
	}
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
