package evidence

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestGRPCsReportOfACallsEnd(t *testing.T) {
	s := status.Error
	for name, c := range map[string]struct {
		err            error
		sent, answered bool
		want           Reason
	}{
		"success":                           {nil, true, true, Succeeded},
		"a pick that grpc could not use":    {nil, false, false, Succeeded},
		"call credentials that fail":        {s(codes.Unauthenticated, "no token"), false, false, NotSent},
		"call credentials, of any code":     {s(codes.Unavailable, "the issuer is down"), false, false, NotSent},
		"no stream before the deadline":     {s(codes.DeadlineExceeded, "context deadline exceeded"), false, false, NotSent},
		"a request that cannot be encoded":  {s(codes.Internal, "grpc: error while marshaling: string field contains invalid UTF-8"), true, false, FailedHere},
		"a request that is not compressed":  {s(codes.Internal, "grpc: error while compressing: no"), true, false, FailedHere},
		"a request over the limit":          {s(codes.ResourceExhausted, "trying to send message larger than max (5 vs. 4)"), true, false, FailedHere},
		"an answer over the limit":          {s(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), true, true, ErrorOfTheCall},
		"an answer that cannot be read":     {s(codes.Internal, "grpc: failed to unmarshal the received message: no"), true, true, ErrorOfTheCall},
		"RST_STREAM, INTERNAL_ERROR":        {s(codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR"), true, false, Reset},
		"RST_STREAM, an unknown code":       {s(codes.Unknown, "stream terminated by RST_STREAM with error code: 0x63"), true, false, Reset},
		"RST_STREAM, ENHANCE_YOUR_CALM":     {s(codes.ResourceExhausted, "stream terminated by RST_STREAM with error code: ENHANCE_YOUR_CALM"), true, false, ErrorOfTheCall},
		"the stream ends without trailers":  {s(codes.Internal, "server closed the stream without sending trailers"), true, false, Reset},
		"the connection is lost":            {s(codes.Unavailable, "error reading from server: EOF"), true, false, Unavailable},
		"a deadline":                        {s(codes.DeadlineExceeded, "context deadline exceeded"), true, false, NoAnswerInTime},
		"the bare error of a deadline":      {context.DeadlineExceeded, true, false, NoAnswerInTime},
		"the bare error of a cancellation":  {context.Canceled, true, false, CallCanceled},
		"an error that is no status":        {errors.New("no"), true, false, FailedHere},
		"an error that grpc does not know":  {s(codes.DataLoss, "new in a later version"), true, false, FailedHere},
		"the server's own UNAVAILABLE":      {s(codes.Unavailable, "half dead"), true, true, Unavailable},
		"the server's own DATA_LOSS":        {s(codes.DataLoss, "oh"), true, true, ErrorOfTheCall},
		"the server quotes what fails here": {s(codes.Unavailable, "grpc: error while marshaling: no"), true, true, Unavailable},
	} {
		assert.Equal(t, c.want, Judge(Of(balancer.DoneInfo{Err: c.err, BytesSent: c.sent, BytesReceived: c.answered})), name)
	}
}
