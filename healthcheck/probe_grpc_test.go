package healthcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/report"
)

// scripted is a health server with scripted answers.
type scripted struct {
	healthpb.UnimplementedHealthServer
	check func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error)
	watch func(*healthpb.HealthCheckRequest, grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error
}

// noService is the detail of a verdict about a server without a health service.
const noService = "no health service: only the connection is checked"

func (s *scripted) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return s.check(ctx, r)
}

func (s *scripted) Watch(r *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	return s.watch(r, stream)
}

// serve runs a server on bufconn, nil for one without the health service, and
// returns a connection to it.
func serve(t *testing.T, h healthpb.HealthServer, opts ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	s := grpc.NewServer(append(opts, grpc.WaitForHandlers(true))...)
	if h != nil {
		healthpb.RegisterHealthServer(s, h)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(); s.Stop(); <-done })
	return conn
}

func answers(s healthpb.HealthCheckResponse_ServingStatus, err error) *scripted {
	return &scripted{
		check: func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			return &healthpb.HealthCheckResponse{Status: s}, err
		},
		watch: func(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
			return errors.Join(stream.Send(&healthpb.HealthCheckResponse{Status: s}), err)
		},
	}
}

// hangs is a server that never answers.
func hangs() *scripted {
	return &scripted{
		check: func(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		watch: func(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
			<-stream.Context().Done()
			return nil
		},
	}
}

var answerTable = map[string]struct {
	status healthpb.HealthCheckResponse_ServingStatus
	err    error
	check  report.Verdict
	// watch is the end of a Watch that got err and nothing else.
	watch report.Verdict
}{
	"SERVING":         {status: healthpb.HealthCheckResponse_SERVING, check: report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing, Detail: ""}},
	"NOT_SERVING":     {status: healthpb.HealthCheckResponse_NOT_SERVING, check: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing, Detail: ""}},
	"UNKNOWN":         {status: healthpb.HealthCheckResponse_UNKNOWN, check: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonStatusUnknown, Detail: "health status UNKNOWN"}},
	"an undefined 7":  {status: 7, check: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonStatusUnknown, Detail: "health status 7"}},
	"SERVICE_UNKNOWN": {status: healthpb.HealthCheckResponse_SERVICE_UNKNOWN, check: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonUnknownService, Detail: `no health service named "mediator": see the role and healthCheck.service`}},
	"NOT_FOUND": {
		err:   status.Error(codes.NotFound, "?"),
		check: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonUnknownService, Detail: `no health service named "mediator": see the role and healthCheck.service`},
		watch: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonUnknownService, Detail: `no health service named "mediator": see the role and healthCheck.service`},
	},
	"UNIMPLEMENTED": {
		err:   status.Error(codes.Unimplemented, "?"),
		check: report.Verdict{Outcome: report.Serving, Reason: report.ReasonUnimplemented, Detail: noService}, watch: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonUnimplemented, Detail: ""},
	},
	"UNAUTHENTICATED": {
		err:   status.Error(codes.Unauthenticated, "no token"),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "UNAUTHENTICATED: no token"},
		watch: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "UNAUTHENTICATED: no token"},
	},
	"PERMISSION_DENIED": {
		err:   status.Error(codes.PermissionDenied, ""),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "PERMISSION_DENIED"}, watch: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeDenied, Detail: "PERMISSION_DENIED"},
	},
	"DEADLINE_EXCEEDED of the server's own": {
		err:   status.Error(codes.DeadlineExceeded, "slow"),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, watch: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "DEADLINE_EXCEEDED: slow"},
	},
	"CANCELLED of the server's own": {
		err:   status.Error(codes.Canceled, "gone"),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "CANCELLED: gone"}, watch: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "CANCELLED: gone"},
	},
	"UNAVAILABLE": {
		err:   status.Error(codes.Unavailable, "connection\nreset"),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "UNAVAILABLE: connection reset"},
		watch: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "UNAVAILABLE: connection reset"},
	},
	"an undefined code": {
		err:   status.Error(99, "?"),
		check: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "CODE(99): ?"}, watch: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "CODE(99): ?"},
	},
}

func TestEachAnswerToACheckHasItsOwnVerdict(t *testing.T) {
	for name, c := range answerTable {
		t.Run(name, func(t *testing.T) {
			p := GRPCCheck(serve(t, answers(c.status, c.err)), "mediator", GRPCOptions{})
			assert.Equal(t, c.check, p.Probe(t.Context()))
		})
	}
}

func TestEachAnswerToAWatchHasItsOwnVerdict(t *testing.T) {
	for name, c := range answerTable {
		t.Run(name, func(t *testing.T) {
			s := answers(c.status, nil)
			want, wantEnd := []report.Verdict{c.check}, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "the server ended the watch"}
			if c.err != nil {
				want, wantEnd = nil, c.watch
				s.watch = func(*healthpb.HealthCheckRequest, grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
					return c.err
				}
			}
			var got []report.Verdict
			end := GRPCWatch(serve(t, s), "mediator", GRPCOptions{}).Watch(t.Context(), func(v report.Verdict) { got = append(got, v) })
			assert.Equal(t, want, got)
			assert.Equal(t, wantEnd, end)
		})
	}
}

func TestAServerWithoutTheHealthServiceIsWhatOnUnimplementedSays(t *testing.T) {
	conn := serve(t, nil)
	assert.Equal(t, report.Verdict{Outcome: report.Serving, Reason: report.ReasonUnimplemented, Detail: noService}, GRPCCheck(conn, "", GRPCOptions{}).Probe(t.Context()))
	o := GRPCOptions{OnUnimplemented: OnUnimplementedUnhealthy}
	assert.Equal(t, report.Verdict{Outcome: report.NotServing, Reason: report.ReasonUnimplemented, Detail: ""}, GRPCCheck(conn, "", o).Probe(t.Context()))
	end := GRPCWatch(conn, "", o).Watch(t.Context(), func(report.Verdict) { t.Error("nothing to push") })
	assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonUnimplemented, Detail: ""}, end)
}

func TestACheckAsksForItsServiceAndNamesItsTarget(t *testing.T) {
	asked := make(chan string, 1)
	s := answers(healthpb.HealthCheckResponse_SERVING, nil)
	s.check = func(_ context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
		asked <- r.GetService()
		return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
	}
	p := GRPCCheck(serve(t, s), "mediator", GRPCOptions{Target: "10.0.0.1:10043"})
	assert.Equal(t, report.Serving, p.Probe(t.Context()).Outcome)
	assert.Equal(t, "mediator", <-asked)
	assert.Equal(t, report.KindGRPCCheck, p.Kind())
	assert.Equal(t, `grpc service "mediator" at 10.0.0.1:10043`, p.Target())
}

func TestACheckThatIsSentAndNotAnsweredTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := GRPCCheck(serve(t, hangs()), "", GRPCOptions{})
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, p.Probe(ctx))
	})
}

func TestAServerThatGivesUpAtTheSameDeadlineIsATimeoutToo(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	got := grpcHealth{}.failed(ctx, status.Error(codes.Canceled, "server side"))
	assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, got)
}

func TestAProbeThatIsGivenUpIsInconclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serve(t, hangs())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: ""}, GRPCCheck(conn, "", GRPCOptions{}).Probe(ctx))
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: ""},
			GRPCWatch(conn, "", GRPCOptions{}).Watch(ctx, func(report.Verdict) { t.Error("nothing to push") }))
	})
}

func TestACheckThatGetsNoStreamSaysNothingOfTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serve(t, hangs(), grpc.MaxConcurrentStreams(1))
		busy, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			GRPCWatch(conn, "", GRPCOptions{}).Watch(busy, func(report.Verdict) {})
		}()
		synctest.Wait() // the only stream is taken

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonNoStream, Detail: ""}, GRPCCheck(conn, "", GRPCOptions{}).Probe(ctx))
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonCanceled, Detail: ""}, GRPCWatch(conn, "", GRPCOptions{}).Watch(ctx, func(report.Verdict) {}))
		stop()
		<-done

		// The stream is free again: the same probe is sent now.
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: ""}, GRPCCheck(conn, "", GRPCOptions{}).Probe(ctx))
	})
}

func TestAProbeLeavesNoStreamBehind(t *testing.T) {
	s := answers(healthpb.HealthCheckResponse_SERVING, nil)
	conn := serve(t, s, grpc.MaxConcurrentStreams(1))
	for range 20 { // a second stream would wait for ever
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		require.Equal(t, report.Serving, GRPCCheck(conn, "", GRPCOptions{}).Probe(ctx).Outcome)
		end := GRPCWatch(conn, "", GRPCOptions{}).Watch(ctx, func(report.Verdict) {})
		require.Equal(t, "the server ended the watch", end.Detail)
		cancel()
	}
}

func TestAServerThatFloodsTheWatchIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hangs()
		s.watch = func(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
			for {
				if err := stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}); err != nil {
					return err
				}
			}
		}
		pushes := 0
		end := GRPCWatch(serve(t, s), "", GRPCOptions{}).Watch(t.Context(), func(report.Verdict) { pushes++ })
		assert.Equal(t, report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonProbeError, Detail: "more than 1000 health messages in one second"}, end)
		assert.Equal(t, maxPushes, pushes)
	})
}

func TestAWatchMayPushMuchOverALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hangs()
		s.watch = func(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
			for range 3 * maxPushes {
				_ = stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING})
				time.Sleep(2 * time.Millisecond)
			}
			return nil
		}
		pushes := 0
		end := GRPCWatch(serve(t, s), "", GRPCOptions{}).Watch(t.Context(), func(report.Verdict) { pushes++ })
		assert.Equal(t, "the server ended the watch", end.Detail)
		assert.Equal(t, 3*maxPushes, pushes)
	})
}

func TestAnAnswerThatIsTooLargeIsAnError(t *testing.T) {
	s := answers(healthpb.HealthCheckResponse_SERVING, nil)
	s.check = func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
		r := &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}
		r.ProtoReflect().SetUnknown(append([]byte{0x7a, 0x80, 0x80, 0x08}, make([]byte, 1<<17)...)) // field 15, 128 KiB
		return r, nil
	}
	v := GRPCCheck(serve(t, s), "", GRPCOptions{}).Probe(t.Context())
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Equal(t, report.ReasonProbeError, v.Reason)
	assert.Contains(t, v.Detail, "RESOURCE_EXHAUSTED")
}

func TestABadServiceNameOrConnectionIsAFailureNotAPanic(t *testing.T) {
	conn := serve(t, hangs())
	v := GRPCCheck(conn, "\xff", GRPCOptions{}).Probe(t.Context())
	assert.Equal(t, report.ReasonProbeError, v.Reason)
	end := GRPCWatch(conn, "\xff", GRPCOptions{}).Watch(t.Context(), func(report.Verdict) {})
	assert.Equal(t, report.Inconclusive, end.Outcome)
	v = GRPCCheck(nil, "", GRPCOptions{}).Probe(t.Context())
	assert.Equal(t, report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeError, Detail: "UNKNOWN: no connection to probe on; want one that is not nil"}, v)
}

func TestAStreamThatEndsBeforeTheRequestIsSentGivesItsStatus(t *testing.T) {
	conn := fakeConn{&fakeStream{sendErr: io.EOF, recvErr: status.Error(codes.NotFound, "")}}
	assert.Equal(t, report.ReasonUnknownService, GRPCCheck(conn, "x", GRPCOptions{}).Probe(t.Context()).Reason)
	assert.Equal(t, report.ReasonUnknownService, GRPCWatch(conn, "x", GRPCOptions{}).Watch(t.Context(), nil).Reason)
}

func TestCodesAreSpelledAsInTheSpecification(t *testing.T) {
	for c, want := range map[codes.Code]string{
		codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.DeadlineExceeded: "DEADLINE_EXCEEDED",
		codes.FailedPrecondition: "FAILED_PRECONDITION", codes.DataLoss: "DATA_LOSS", 42: "CODE(42)",
	} {
		assert.Equal(t, want, codeName(c))
	}
}
