package lbtest

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The full method names of the Echo service, for interceptors and method configs.
const (
	EchoMethod  = "/lbtest.Echo/Echo"
	TicksMethod = "/lbtest.Echo/Ticks"
)

// minTick is the shortest interval that Ticks accepts.
const minTick = time.Millisecond

// RegisterEcho registers the service lbtest.Echo, for tests that have no stubs of
// their own: NewCluster(t, 3, lbtest.RegisterEcho). Its methods are Echo, which
// returns the message that it received, and Ticks, which sends 0, 1, 2 and so on,
// one number per interval, until the call ends. [Echo], [ServedBy] and [Ticks] call
// it.
func RegisterEcho(srv *grpc.Server) { srv.RegisterService(&echoService, nil) }

var echoService = grpc.ServiceDesc{
	ServiceName: "lbtest.Echo",
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: handleEcho}},
	Streams:     []grpc.StreamDesc{{StreamName: "Ticks", Handler: handleTicks, ServerStreams: true}},
	Metadata:    "lbtest/echo.proto",
}

//nolint:revive // grpc prescribes the order of the parameters
func handleEcho(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	echo := func(_ context.Context, req any) (any, error) { return req, nil }
	if interceptor == nil {
		return echo(ctx, in)
	}

	return interceptor(ctx, in, &grpc.UnaryServerInfo{FullMethod: EchoMethod}, echo)
}

func handleTicks(_ any, stream grpc.ServerStream) error {
	in := new(durationpb.Duration)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	if in.AsDuration() < minTick {
		return status.Errorf(codes.InvalidArgument, "interval: %v: want %v or more", in.AsDuration(), minTick)
	}

	ticker := time.NewTicker(in.AsDuration())
	defer ticker.Stop()
	for n := uint64(0); ; n++ {
		if err := stream.SendMsg(wrapperspb.UInt64(n)); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// Echo calls the Echo service and returns its answer, which is message. The error
// is that of the call.
func Echo(ctx context.Context, cc grpc.ClientConnInterface, message string, opts ...grpc.CallOption) (string, error) {
	out := new(wrapperspb.StringValue)
	if err := cc.Invoke(ctx, EchoMethod, wrapperspb.String(message), out, opts...); err != nil {
		return "", err
	}

	return out.GetValue(), nil
}

// ServedBy calls the Echo service and returns the name of the server that answered.
// The error is that of the call, or reports that the answer did not name its
// server, which happens with a server that is not part of a [Cluster].
func ServedBy(ctx context.Context, cc grpc.ClientConnInterface, opts ...grpc.CallOption) (string, error) {
	var header metadata.MD
	all := append([]grpc.CallOption{grpc.Header(&header)}, opts...)
	if _, err := Echo(ctx, cc, "", all...); err != nil {
		return "", err
	}
	names := header.Get(ServerHeader)
	if len(names) != 1 {
		return "", fmt.Errorf("lbtest: response header %q: got %q: want one name; is the server part of a Cluster?", ServerHeader, names)
	}

	return names[0], nil
}

// Ticks opens the stream of the Echo service that sends 0, 1, 2 and so on: the
// first at once, then one per interval, until ctx ends. The server rejects an
// interval below one millisecond with INVALID_ARGUMENT, which the first Recv
// returns.
func Ticks(
	ctx context.Context, cc grpc.ClientConnInterface, interval time.Duration, opts ...grpc.CallOption,
) (grpc.ServerStreamingClient[wrapperspb.UInt64Value], error) {
	stream, err := cc.NewStream(ctx, &echoService.Streams[0], TicksMethod, opts...)
	if err != nil {
		return nil, err
	}
	ticks := &grpc.GenericClientStream[durationpb.Duration, wrapperspb.UInt64Value]{ClientStream: stream}
	if err := ticks.Send(durationpb.New(interval)); err != nil {
		return nil, err
	}
	if err := ticks.CloseSend(); err != nil {
		return nil, err
	}

	return ticks, nil
}
