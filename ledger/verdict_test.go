package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
)

func TestEveryErrorOfAnAttemptHasItsVerdict(t *testing.T) {
	const yes, no = true, false
	for name, c := range map[string]struct {
		err      error
		response response
		doubt    bool
		delay    time.Duration
	}{
		"none eligible":     {&cantonlb.NoEligibleError{}, reopen, no, 0},
		"passive":           {damlError(codes.Unavailable, "SYNC_SERVICE_PASSIVE_REPLICA", 1, time.Second), reopen, no, 0},
		"passive, by text":  {status.Error(codes.Unavailable, "Node is passive"), reopen, no, 0},
		"in flight":         {damlError(codes.Aborted, "SUBMISSION_ALREADY_IN_FLIGHT", 2, time.Second), reopen, no, time.Second},
		"bad period":        {damlError(codes.FailedPrecondition, "INVALID_DEDUPLICATION_PERIOD", 9, 0), stop, no, 0},
		"not connected":     {damlError(codes.FailedPrecondition, "NOT_CONNECTED_TO_ANY_SYNCHRONIZER", 9, 0), reopenWhile, no, 0},
		"connection lost":   {status.Error(codes.Unavailable, "EOF"), reopen, yes, 0},
		"shutting down":     {damlError(codes.Unavailable, "ABORTED_DUE_TO_SHUTDOWN", 1, 10*time.Second), reopen, yes, 0},
		"back pressure":     {damlError(codes.Aborted, "PARTICIPANT_BACKPRESSURE", 2, 3*time.Second), reopen, no, 3 * time.Second},
		"during shutdown":   {damlError(codes.Aborted, "SUBMISSION_DURING_SHUTDOWN", 2, time.Second), reopen, yes, time.Second},
		"aborted":           {status.Error(codes.Aborted, "x"), reopen, yes, 0},
		"timed out":         {damlError(codes.DeadlineExceeded, "REQUEST_TIME_OUT", 3, time.Second), reopen, yes, time.Second},
		"own deadline":      {context.DeadlineExceeded, reopen, yes, 0},
		"cancelled by node": {status.Error(codes.Canceled, "Node is shutting down"), reopen, yes, 0},
		"unauthenticated":   {status.Error(codes.Unauthenticated, "x"), reopenOnce, no, 0},
		"unimplemented":     {status.Error(codes.Unimplemented, "x"), reopenWhile, no, 0},
		"exhausted":         {status.Error(codes.ResourceExhausted, "larger than max"), reopenOnce, yes, 0},
		"invalid":           {status.Error(codes.InvalidArgument, "x"), stop, no, 0},
		"not found":         {damlError(codes.NotFound, "CONTRACT_NOT_FOUND", 11, 0), stop, no, 0},
		"exists":            {damlError(codes.AlreadyExists, "DUPLICATE_CONTRACT_KEY", 10, 0), stop, no, 0},
		"exists, stripped":  {status.Error(codes.AlreadyExists, "x"), stop, yes, 0},
		"missing, stripped": {status.Error(codes.NotFound, "x"), reopenOnce, yes, 0},
		"state, stripped":   {status.Error(codes.FailedPrecondition, "x"), reopenOnce, yes, 0},
		"precondition":      {damlError(codes.FailedPrecondition, "X", 9, 0), stop, no, 0},
		"denied":            {status.Error(codes.PermissionDenied, "x"), stop, no, 0},
		"out of range":      {status.Error(codes.OutOfRange, "x"), stop, no, 0},
		"seek after end":    {damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second), reopen, no, time.Second},
		"internal":          {status.Error(codes.Internal, "RST_STREAM"), reopenWhile, yes, 0},
		"internal, by node": {damlError(codes.Internal, "LEDGER_API_INTERNAL_ERROR", 4, 0), stop, yes, 0},
		"no status":         {errors.New("x"), reopenWhile, yes, 0},
	} {
		v := judge(c.err)
		assert.Equal(t, c.response, v.response, name)
		assert.Equal(t, c.doubt, v.doubt, name)
		assert.Equal(t, c.delay, v.delay, name)
		assert.False(t, v.duplicate, name)
	}
}

// The channel of a program that has declared the method in Config.Idempotent sends a call again by
// itself, and returns what the last endpoint has said.
func TestTheLastEndpointProvesNothingAboutThoseBefore(t *testing.T) {
	for name, err := range map[string]error{
		"passive":         damlError(codes.Unavailable, "NODE_IS_PASSIVE_REPLICA", 1, time.Second),
		"rejected":        damlError(codes.NotFound, "CONTRACT_NOT_FOUND", 11, 0),
		"not connected":   damlError(codes.FailedPrecondition, "NOT_CONNECTED_TO_ANY_SYNCHRONIZER", 9, 0),
		"unauthenticated": status.Error(codes.Unauthenticated, "x"),
		"duplicate":       damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0),
	} {
		before := judge(err)
		assert.False(t, before.doubt, name)
		for attempts, doubt := range []bool{false, false, true, true} {
			after := judge(fmt.Errorf("%w (%w)", err, &cantonlb.AttemptsError{Attempts: make([]cantonlb.Attempt, attempts)}))
			assert.Equal(t, doubt, after.doubt, "%s, %d attempts", name, attempts)
			after.doubt = false
			assert.Equal(t, before, after, "and all else stays")
		}
	}
}

func TestADuplicateSaysOfWhat(t *testing.T) {
	for name, c := range map[string]struct {
		metadata []string
		existing string
		offset   Offset
	}{
		"nothing":         {nil, "", Offset{}},
		"documented":      {[]string{"existing_submission_id", "s1", "completion_offset", "7"}, "s1", At(7)},
		"as Canton's own": {[]string{"existingSubmissionId", "Some(s1)", "completion_offset", "7"}, "s1", At(7)},
		"none":            {[]string{"existingSubmissionId", "None"}, "", Offset{}},
		"a bad offset":    {[]string{"completion_offset", "x y"}, "", Offset{}},
	} {
		v := judge(damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0, c.metadata...))
		assert.True(t, v.duplicate, name)
		assert.Equal(t, stop, v.response, name)
		assert.Equal(t, c.existing, v.existing, name)
		assert.Equal(t, c.offset, v.offset, name)
	}
}
