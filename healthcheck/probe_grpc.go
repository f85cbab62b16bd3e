package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

const (
	// maxAnswer bounds a health answer, in bytes. A regular answer has two.
	maxAnswer = 64 << 10
	// maxPushes is how many messages a Watch accepts in one second. If the server
	// sends more, the Watch ends.
	maxPushes = 1000
)

// GRPCOptions holds the settings of a gRPC probe that have defaults.
type GRPCOptions struct {
	// OnUnimplemented says how a server without a health service is judged. Default
	// OnUnimplementedConnectivity. A Watch does not use it.
	OnUnimplemented OnUnimplemented
	// Target names the server for status, such as "10.0.0.1:10043".
	Target string
	// OwnConn says that the connection carries only this probe. A probe that gets no
	// stream is then a failure; otherwise, other calls may have used up the streams.
	// Default false.
	OwnConn bool
}

// GRPCCheck returns a Probe that calls Check of the gRPC health service on conn for
// service; "" means the server as a whole. It does not close conn and does not wait
// for conn to be ready. Each probe costs one round trip.
//
// A call that got no stream before its deadline is distinguished from one that was
// sent and not answered: see ReasonNoStream and ReasonProbeTimeout.
func GRPCCheck(conn grpc.ClientConnInterface, service string, o GRPCOptions) Probe {
	return grpcCheck{grpcHealth{conn: conn, service: service, o: o}}
}

// GRPCWatch returns a Watcher that calls Watch of the gRPC health service on conn
// for service. It does not close conn. The Watch ends with ReasonUnimplemented if
// the server does not implement it, and with ReasonProbeError if the server sends
// more than 1000 messages in one second. Neither is a statement about health.
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
	v, _ := p.probe(ctx)
	return v
}

// probe also reports whether the call was UNAVAILABLE after it had got a stream, as it
// is if its connection ends.
func (p grpcCheck) probe(ctx context.Context) (_ report.Verdict, cutOff bool) {
	// A stream that is not read to its end lasts as long as its context.
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.open(streamCtx, &grpc.StreamDesc{StreamName: "Check"}, healthpb.Health_Check_FullMethodName)
	if err != nil {
		return p.refused(ctx, err), false
	}
	answer := new(healthpb.HealthCheckResponse)
	if err = p.ask(stream); err == nil {
		err = stream.RecvMsg(answer)
	}
	if err != nil {
		return p.failed(ctx, err), statusOf(err).Code() == codes.Unavailable
	}
	return p.judge(answer.GetStatus()), false
}

// open opens a stream. It may have to wait for one.
func (p grpcHealth) open(ctx context.Context, desc *grpc.StreamDesc, method string) (grpc.ClientStream, error) {
	if p.conn == nil {
		return nil, errors.New("no connection to probe on; want one that is not nil")
	}
	return p.conn.NewStream(ctx, desc, method, grpc.MaxCallRecvMsgSize(maxAnswer), grpc.WaitForReady(false))
}

// ask sends the request. An io.EOF from SendMsg means that the stream has already
// ended; RecvMsg returns why.
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
	if v, ok := credentialsFailed(ctx, err); ok {
		return v
	}
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
			return checking.NewVerdict(report.Inconclusive, report.ReasonProbeError,
				fmt.Sprintf("more than %d health messages in one second", maxPushes))
		}
		began, pushes = time.Now(), 0
	}
}
