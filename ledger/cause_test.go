package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cantonlb/cantonlb"
)

func TestEveryErrorHasItsReaction(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want reaction
	}{
		"EOF":             {io.EOF, reaction{cause: EndOfStream}},
		"silent":          {errSilent, reaction{cause: Silent}},
		"moved":           {fmt.Errorf("oh: %w", &cantonlb.MovedError{}), reaction{cause: Moved}},
		"pruned":          {damlError(codes.FailedPrecondition, "PARTICIPANT_PRUNED_DATA_ACCESSED", 9, 0), reaction{Pruned, stop, 0}},
		"pruned, by text": {status.Error(codes.FailedPrecondition, "PARTICIPANT_PRUNED_DATA_ACCESSED(9,0): x"), reaction{Pruned, stop, 0}},
		"after end":       {damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second), reaction{AfterLedgerEnd, reopenWhile, 0}},
		"after end, Canton 2": {
			damlError(codes.OutOfRange, "PARTICIPANT_DATA_ACCESSED_AFTER_LEDGER_END", 12, time.Second), reaction{AfterLedgerEnd, reopenWhile, 0},
		},
		"token expired":       {damlError(codes.Aborted, "ACCESS_TOKEN_EXPIRED", 2, time.Second), reaction{cause: TokenExpired}},
		"stale":               {damlError(codes.Aborted, "STALE_STREAM_AUTHORIZATION", 2, time.Second), reaction{cause: TokenExpired}},
		"UNAVAILABLE":         {status.Error(codes.Unavailable, "x"), reaction{cause: Unavailable}},
		"UNAVAILABLE, 10 s":   {damlError(codes.Unavailable, "SERVER_IS_SHUTTING_DOWN", 1, 10*time.Second), reaction{cause: Unavailable}},
		"ABORTED, 3 s":        {damlError(codes.Aborted, "SERVER_OVERLOADED", 2, 3*time.Second), reaction{Aborted, reopen, 3 * time.Second}},
		"ABORTED, category":   {status.Error(codes.Aborted, "X(2,0): x"), reaction{cause: Aborted}},
		"ABORTED, RetryInfo":  {retryOnly(codes.Aborted, 3*time.Second), reaction{Aborted, reopen, 3 * time.Second}},
		"ABORTED, endless":    {retryOnly(codes.Aborted, 1000*time.Hour), reaction{Aborted, reopen, time.Hour}},
		"ABORTED, none":       {retryOnly(codes.Aborted, 0), reaction{Failed, reopenWhile, 0}},
		"ABORTED":             {status.Error(codes.Aborted, "x"), reaction{Failed, reopenWhile, 0}},
		"CANCELLED":           {status.Error(codes.Canceled, "x"), reaction{cause: ServerCanceled}},
		"DEADLINE_EXCEEDED":   {status.Error(codes.DeadlineExceeded, "x"), reaction{cause: TimedOut}},
		"an own deadline":     {context.DeadlineExceeded, reaction{cause: TimedOut}},
		"UNAUTHENTICATED":     {status.Error(codes.Unauthenticated, "x"), reaction{Unauthenticated, reopenOnce, 0}},
		"UNIMPLEMENTED":       {status.Error(codes.Unimplemented, "x"), reaction{Unimplemented, reopenWhile, 0}},
		"PERMISSION_DENIED":   {status.Error(codes.PermissionDenied, "x"), reaction{PermissionDenied, stop, 0}},
		"INVALID_ARGUMENT":    {status.Error(codes.InvalidArgument, "x"), reaction{InvalidRequest, stop, 0}},
		"INTERNAL":            {status.Error(codes.Internal, "x"), reaction{Failed, reopenWhile, 0}},
		"DATA_LOSS":           {status.Error(codes.DataLoss, "x"), reaction{Failed, reopenWhile, 0}},
		"RESOURCE_EXHAUSTED":  {status.Error(codes.ResourceExhausted, "x"), reaction{Failed, reopenWhile, 0}},
		"NOT_FOUND":           {status.Error(codes.NotFound, "x"), reaction{Failed, reopenWhile, 0}},
		"FAILED_PRECONDITION": {status.Error(codes.FailedPrecondition, "x"), reaction{Failed, reopenWhile, 0}},
		"OUT_OF_RANGE":        {status.Error(codes.OutOfRange, "x"), reaction{Failed, reopenWhile, 0}},
		"no status":           {errors.New("x"), reaction{Failed, reopenWhile, 0}},
	} {
		assert.Equal(t, c.want, react(c.err), name)
	}
}

// retryOnly is an error whose other details a proxy has left out.
func retryOnly(code codes.Code, delay time.Duration) error {
	s, err := status.New(code, "wait").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

func TestEveryCauseThatEndsAStreamHasAdvice(t *testing.T) {
	for _, c := range []Cause{
		Unauthenticated, Unimplemented, Failed, Pruned, PermissionDenied, InvalidRequest, BadMessage, Misused, CheckpointFailed,
	} {
		assert.NotEmpty(t, (&StoppedError{Cause: c, Err: io.EOF}).Advice(), c)
	}
}

func TestRetriesAreCountedInARow(t *testing.T) {
	r, now := newRetries(), time.Unix(0, 0)
	again := func(what reaction) bool {
		_, ok := r.next(what, now)
		return ok
	}
	once, while := reaction{cause: Unauthenticated, response: reopenOnce}, reaction{cause: Failed, response: reopenWhile}
	assert.True(t, again(once))
	assert.False(t, again(once), "once in a row")
	assert.True(t, again(while))
	assert.True(t, again(once), "another row")
	assert.True(t, again(while))
	now = now.Add(patience - 1)
	assert.True(t, again(while))
	now = now.Add(1)
	assert.False(t, again(while))
	r.progress()
	assert.True(t, again(while), "progress begins anew")
	assert.False(t, again(reaction{cause: Pruned, response: stop}))
	for range 1000 {
		assert.True(t, again(reaction{cause: Unavailable}))
		now = now.Add(time.Hour)
	}
	pause, _ := r.next(reaction{cause: Aborted, delay: time.Minute}, now)
	assert.Greater(t, pause, time.Minute, "what the node asks for is the least")
	assert.LessOrEqual(t, pause, time.Minute+longest*3/2)
}
