package healthcheck

import (
	"context"
	"errors"
	"io"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

func unmarshal(b []byte, m any) error {
	if message, ok := m.(proto.Message); ok {
		return proto.Unmarshal(b, message)
	}
	return errors.New("not a message")
}

var probeReasons = map[report.Reason]bool{
	report.ReasonServing: true, report.ReasonNotServing: true, report.ReasonStatusUnknown: true, report.ReasonUnknownService: true,
	report.ReasonUnimplemented: true, report.ReasonProbeTimeout: true, report.ReasonProbeError: true, report.ReasonProbeDenied: true,
	report.ReasonConnectFailed: true,
}

func FuzzHealthAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, answer []byte, code uint32, text, service string, unhealthy bool) {
		o := GRPCOptions{}
		if unhealthy {
			o.OnUnimplemented = OnUnimplementedUnhealthy
		}
		conn := func() fakeConn {
			s := &fakeStream{answer: answer}
			if codes.Code(code) != codes.OK {
				s.recvErr = status.Error(codes.Code(code), text)
			}
			return fakeConn{s}
		}
		v := GRPCCheck(conn(), service, o).Probe(t.Context())
		if v.Outcome == report.Inconclusive {
			t.Errorf("nothing was given up, yet %+v", v)
		}
		inspect(t, v)
		inspect(t, GRPCWatch(conn(), service, o).Watch(t.Context(), func(v report.Verdict) { inspect(t, v) }))
	})
}

func inspect(t *testing.T, v report.Verdict) {
	t.Helper()
	if !probeReasons[v.Reason] {
		t.Errorf("reason %q", v.Reason)
	}
	if len(v.Detail) > cleantext.MaxDetail || !utf8.ValidString(v.Detail) {
		t.Errorf("%d bytes of detail: %q", len(v.Detail), v.Detail)
	}
	for _, r := range v.Detail {
		if !unicode.IsPrint(r) {
			t.Errorf("%q in detail %q", r, v.Detail)
		}
	}
}

// fakeConn returns one stream, which ignores its context.
type fakeConn struct{ stream *fakeStream }

func (c fakeConn) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errors.New("probes never call Invoke")
}

func (c fakeConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.stream, nil
}

type fakeStream struct {
	grpc.ClientStream
	sendErr, recvErr error
	answer           []byte
}

func (s *fakeStream) SendMsg(any) error { return s.sendErr }
func (s *fakeStream) CloseSend() error  { return nil }

func (s *fakeStream) RecvMsg(m any) error {
	if s.recvErr != nil {
		return s.recvErr
	}
	s.recvErr = io.EOF
	if err := unmarshal(s.answer, m); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}
