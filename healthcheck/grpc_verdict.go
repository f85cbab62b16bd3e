package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// judge returns the verdict for the server's answer.
func (p grpcHealth) judge(s healthpb.HealthCheckResponse_ServingStatus) report.Verdict {
	switch s {
	case healthpb.HealthCheckResponse_SERVING:
		return checking.NewVerdict(report.Serving, report.ReasonServing, "")
	case healthpb.HealthCheckResponse_NOT_SERVING:
		return checking.NewVerdict(report.NotServing, report.ReasonNotServing, "")
	case healthpb.HealthCheckResponse_SERVICE_UNKNOWN:
		return p.unknownService()
	default:
		return checking.NewVerdict(report.NotServing, report.ReasonStatusUnknown, "health status "+s.String())
	}
}

func (p grpcHealth) unknownService() report.Verdict {
	return checking.NewVerdict(report.NotServing, report.ReasonUnknownService,
		fmt.Sprintf("no health service named %q: see the role and healthCheck.service", p.service))
}

// credentialsFailed returns the verdict of a probe that was not sent because call
// credentials have failed. ok is false if err is another error.
func credentialsFailed(ctx context.Context, err error) (v report.Verdict, ok bool) {
	var failed interface{ CredentialsFailed() (own bool) }
	if errors.Is(ctx.Err(), context.Canceled) || !errors.As(err, &failed) {
		return report.Verdict{}, false
	}
	outcome := report.Inconclusive
	if failed.CredentialsFailed() {
		outcome = report.Failed
	}
	return checking.NewVerdict(outcome, report.ReasonCredentialsFailed, describe(statusOf(err))), true
}

// refused returns the verdict of a Check that got no stream.
func (p grpcHealth) refused(ctx context.Context, err error) report.Verdict {
	if v, ok := credentialsFailed(ctx, err); ok {
		return v
	}
	v := p.failed(ctx, err)
	switch {
	case v.Reason == report.ReasonProbeTimeout && p.o.OwnConn:
		v.Detail = "no connection, or no stream on it, before the deadline"
	case v.Reason == report.ReasonProbeTimeout:
		v = checking.NewVerdict(report.Inconclusive, report.ReasonNoStream, "")
	case p.o.OwnConn && statusOf(err).Code() == codes.Unavailable && v.Reason == report.ReasonProbeError:
		v = checking.NewVerdict(report.Failed, report.ReasonConnectFailed, cleantext.ConnectError(statusOf(err).Message()))
	}
	return v
}

// failed returns the verdict of a Check that returned an error.
func (p grpcHealth) failed(ctx context.Context, err error) report.Verdict {
	s := statusOf(err)
	if errors.Is(ctx.Err(), context.Canceled) {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "")
	}
	switch s.Code() {
	case codes.DeadlineExceeded:
		return checking.NewVerdict(report.Failed, report.ReasonProbeTimeout, "")
	case codes.Canceled:
		if ctx.Err() != nil { // the server gave up at the same deadline
			return checking.NewVerdict(report.Failed, report.ReasonProbeTimeout, "")
		}
	case codes.NotFound:
		return p.unknownService()
	case codes.Unimplemented:
		if p.o.OnUnimplemented == OnUnimplementedUnhealthy {
			return checking.NewVerdict(report.NotServing, report.ReasonUnimplemented, "")
		}
		detail := "no health service: only the connection is checked"
		if strings.HasPrefix(s.Message(), "unexpected HTTP status code") { // perhaps no gRPC server at all
			detail += ": " + s.Message()
		}
		return checking.NewVerdict(report.Serving, report.ReasonUnimplemented, detail)
	case codes.Unauthenticated, codes.PermissionDenied:
		return checking.NewVerdict(report.Failed, report.ReasonProbeDenied, describe(s))
	}
	return checking.NewVerdict(report.Failed, report.ReasonProbeError, describe(s))
}

// ended returns the verdict of a Watch that has ended. Only a statement of the
// server about its health counts. A broken stream is left for a Check to decide.
func (p grpcHealth) ended(ctx context.Context, err error) report.Verdict {
	if ctx.Err() != nil {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, "")
	}
	if errors.Is(err, io.EOF) {
		return checking.NewVerdict(report.Inconclusive, report.ReasonProbeError, "the server ended the watch")
	}
	s := statusOf(err)
	switch s.Code() {
	case codes.Unimplemented:
		return checking.NewVerdict(report.Inconclusive, report.ReasonUnimplemented, "")
	case codes.NotFound:
		return p.unknownService()
	case codes.Unauthenticated, codes.PermissionDenied:
		return checking.NewVerdict(report.Failed, report.ReasonProbeDenied, describe(s))
	default:
		return checking.NewVerdict(report.Inconclusive, report.ReasonProbeError, describe(s))
	}
}

// statusOf returns the status of err, also for an error of a context.
func statusOf(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	return status.FromContextError(err)
}

// describe returns, for example, "UNAVAILABLE: connection reset".
func describe(s *status.Status) string {
	if s.Message() == "" {
		return codeName(s.Code())
	}
	return codeName(s.Code()) + ": " + s.Message()
}

// codeName returns the name of a code as the gRPC specification spells it;
// grpc-go's own is "DeadlineExceeded".
func codeName(c codes.Code) string {
	if c == codes.OK {
		return "OK"
	}
	if c == codes.Canceled {
		return "CANCELLED"
	}
	var b strings.Builder
	for i, r := range c.String() {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
