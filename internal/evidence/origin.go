package evidence

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Of returns how a call ended, from grpc's report. The caller adds what grpc does not
// report: Stream, Short and Token.
func Of(info balancer.DoneInfo) End {
	e := End{Sent: info.BytesSent, Answered: info.BytesReceived}
	if info.Err == nil {
		return e
	}
	s := statusOf(info.Err)
	e.Code = s.Code()
	e.Local = !e.Answered && arisesHere(s)
	return e
}

// statusOf returns the status of a call's error, also if that is the bare error of a
// context.
func statusOf(err error) *status.Status {
	s, ok := status.FromError(err)
	if !ok && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return status.FromContextError(err)
	}
	return s
}

// arisesHere reports whether the error of a call that was not answered arose in this
// process. grpc has one code for a request that it cannot encode and for a stream that
// the server resets, so only its text tells them apart. An unknown text counts as one
// of this process: a missed failure is less harmful than a good endpoint that is
// ejected.
func arisesHere(s *status.Status) bool {
	switch s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		return false
	default:
		return !strings.Contains(s.Message(), "RST_STREAM") && !strings.Contains(s.Message(), "without sending trailers")
	}
}
