package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

const (
	// maxAnswer bounds a health answer, in bytes; a regular one has two.
	maxAnswer = 64 << 10
	// maxPushes is how many messages a Watch takes in one second. A server that
	// sends more is flooding, and the Watch is ended.
	maxPushes = 1000
)

// GRPCOptions are the parts of a gRPC probe that have defaults.
type GRPCOptions struct {
	// OnUnimplemented says what it means that the server has no health service.
	// Default OnUnimplementedConnectivity. A Watch does not use it.
	OnUnimplemented OnUnimplemented
	// Target names the server for status, such as "10.0.0.1:10043".
	Target string
	// OwnConn says that the connection carries nothing but this probe. Then a
	// probe that gets no stream is a failure, where otherwise the other calls
	// may have used up the streams. Default false.
	OwnConn bool
}

// GRPCCheck makes the Probe that calls Check of the gRPC health service on conn,
// asking for service; "" is the server as a whole. It does not close conn and
// does not wait for conn to be ready. A call of it costs one round trip.
//
// A call that got no stream before its deadline is told apart from one that was
// sent and not answered: see ReasonNoStream and ReasonProbeTimeout.
func GRPCCheck(conn grpc.ClientConnInterface, service string, o GRPCOptions) Probe {
	return grpcCheck{grpcHealth{conn: conn, service: service, o: o}}
}

// GRPCWatch makes the Watcher that calls Watch of the gRPC health service on
// conn, asking for service. It does not close conn. A server that has no Watch
// ends it with ReasonUnimplemented, and one that sends more than 1000 messages
// in one second with ReasonProbeError; neither is a statement about health.
func GRPCWatch(conn grpc.ClientConnInterface, service string, o GRPCOptions) Watcher {
	return grpcWatch{grpcHealth{conn: conn, service: service, o: o}}
}

type grpcHealth struct {
	conn    grpc.ClientConnInterface
	service string
	o       GRPCOptions
}

type grpcCheck struct{ grpcHealth }

func (grpcCheck) Kind() report.ProbeKind { return report.KindGRPCCheck }

func (p grpcCheck) Target() string {
	return fmt.Sprintf("grpc service %q at %s", p.service, p.o.Target)
}

func (p grpcCheck) Probe(ctx context.Context) report.Verdict {
	// A stream that is not read to its end lives as long as its context.
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.open(streamCtx, &grpc.StreamDesc{StreamName: "Check"}, healthpb.Health_Check_FullMethodName)
	if err != nil {
		return p.refused(ctx, err)
	}
	answer := new(healthpb.HealthCheckResponse)
	if err = p.ask(stream); err == nil {
		err = stream.RecvMsg(answer)
	}
	if err != nil {
		return p.failed(ctx, err)
	}
	return p.judge(answer.GetStatus())
}

// open gets a stream. It is the part that may have to wait for one.
func (p grpcHealth) open(ctx context.Context, desc *grpc.StreamDesc, method string) (grpc.ClientStream, error) {
	if p.conn == nil {
		return nil, errors.New("no connection to probe on; want one that is not nil")
	}
	return p.conn.NewStream(ctx, desc, method, grpc.MaxCallRecvMsgSize(maxAnswer), grpc.WaitForReady(false))
}

// ask sends the request. An io.EOF from SendMsg says that the stream has ended
// already; receiving tells why.
func (p grpcHealth) ask(stream grpc.ClientStream) error {
	err := stream.SendMsg(&healthpb.HealthCheckRequest{Service: p.service})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return stream.CloseSend()
}

type grpcWatch struct{ grpcHealth }

func (p grpcWatch) Watch(ctx context.Context, push func(report.Verdict)) report.Verdict {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.open(streamCtx, &grpc.StreamDesc{StreamName: "Watch", ServerStreams: true}, healthpb.Health_Watch_FullMethodName)
	if err != nil {
		return p.ended(ctx, err)
	}
	if err = p.ask(stream); err != nil {
		return p.ended(ctx, err)
	}
	answer := new(healthpb.HealthCheckResponse)
	began, pushes := time.Now(), 0
	for {
		if err = stream.RecvMsg(answer); err != nil {
			return p.ended(ctx, err)
		}
		push(p.judge(answer.GetStatus()))
		if pushes++; pushes < maxPushes {
			continue
		}
		if time.Since(began) < time.Second {
			return checking.NewVerdict(report.Inconclusive, report.ReasonProbeError, fmt.Sprintf("more than %d health messages in one second", maxPushes))
		}
		began, pushes = time.Now(), 0
	}
}
