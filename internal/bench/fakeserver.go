package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

type servingStatus = healthpb.HealthCheckResponse_ServingStatus

// fakeServer replaces an endpoint's gRPC health service and the connection to it.
// It is a grpc.ClientConnInterface that answers at once, without a network or any
// encoding. At most one Watch may be open.
type fakeServer struct {
	status atomic.Int32       // a servingStatus
	pushes chan servingStatus // capacity 1: a change that the Watch has not received yet
	// checks and watches count the calls.
	checks, watches atomic.Uint64
}

func newFakeServer() *fakeServer {
	s := &fakeServer{pushes: make(chan servingStatus, 1)}
	s.status.Store(int32(healthpb.HealthCheckResponse_SERVING))
	return s
}

// set changes the status, and pushes it to the Watch.
func (s *fakeServer) set(ctx context.Context, to servingStatus) error {
	s.status.Store(int32(to))
	select {
	case s.pushes <- to:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Invoke implements grpc.ClientConnInterface.
func (s *fakeServer) Invoke(ctx context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	stream := &fakeStream{ctx: ctx, server: s}
	if method != healthpb.Health_Check_FullMethodName {
		return status.Errorf(codes.Unimplemented, "method %s", method)
	}
	s.checks.Add(1)
	return stream.RecvMsg(reply)
}

// NewStream implements grpc.ClientConnInterface.
func (s *fakeServer) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	switch method {
	case healthpb.Health_Check_FullMethodName:
		s.checks.Add(1)
		return &fakeStream{ctx: ctx, server: s}, nil
	case healthpb.Health_Watch_FullMethodName:
		s.watches.Add(1)
		return &fakeStream{ctx: ctx, server: s, watch: true}, nil
	default:
		return nil, status.Errorf(codes.Unimplemented, "method %s", method)
	}
}

// fakeStream is a Check or a Watch.
type fakeStream struct {
	grpc.ClientStream // nil; what a health client calls is defined below

	ctx      context.Context //nolint:containedctx // the stream's, as grpc.ClientStream has it
	server   *fakeServer
	watch    bool
	answered bool
}

func (s *fakeStream) Context() context.Context { return s.ctx }
func (*fakeStream) SendMsg(any) error          { return nil }
func (*fakeStream) CloseSend() error           { return nil }

// RecvMsg returns the present status first. A Watch then waits for changes.
func (s *fakeStream) RecvMsg(m any) error {
	answer, ok := m.(*healthpb.HealthCheckResponse)
	if !ok {
		return status.Errorf(codes.Internal, "a message of type %T", m)
	}
	if !s.answered {
		s.answered = true
		answer.Status = servingStatus(s.server.status.Load())
		return nil
	}
	if !s.watch {
		return io.EOF
	}
	select {
	case answer.Status = <-s.server.pushes:
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// watchHealth does what grpc's own health client does in the absence of errors: it
// reports the status of the server, and each change, until ctx ends.
func watchHealth(ctx context.Context, conn grpc.ClientConnInterface, tell func(serving bool)) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, healthpb.Health_Watch_FullMethodName)
	if err != nil {
		return fmt.Errorf("opening a watch: %w", err)
	}
	answer := new(healthpb.HealthCheckResponse)
	for {
		if err = stream.RecvMsg(answer); err != nil {
			return err
		}
		tell(answer.GetStatus() == healthpb.HealthCheckResponse_SERVING)
	}
}
