package cantonerr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// answer is an error as a node sends it.
func answer(t *testing.T, code codes.Code, message string, details ...protoadapt.MessageV1) error {
	t.Helper()
	s, err := status.New(code, message).WithDetails(details...)
	require.NoError(t, err)
	return s.Err()
}

// read is From without the error that was read, to be compared.
func read(err error) (Error, bool) {
	e, ok := From(err)
	if e == nil {
		return Error{}, ok
	}
	said := *e
	said.err = nil
	return said, ok
}

func TestTheDetailsOfAStatusAreRead(t *testing.T) {
	err := answer(t, codes.AlreadyExists, "DUPLICATE_COMMAND(10,1a2b3c4d): A command with the given command id exists",
		&errdetails.ErrorInfo{Reason: "DUPLICATE_COMMAND", Metadata: map[string]string{
			"category": "10", "definite_answer": "true", "completion_offset": "4711",
		}},
		&errdetails.RequestInfo{RequestId: "1a2b3c4d5e6f"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.ResourceInfo{ResourceType: "not", ResourceName: "of interest"})
	want := Error{
		ID: "DUPLICATE_COMMAND", Category: 10, CorrelationID: "1a2b3c4d5e6f", DefiniteAnswer: true,
		RetryDelay: 1500 * time.Millisecond, Metadata: map[string]string{"completion_offset": "4711"},
	}
	for name, err := range map[string]error{
		"plain": err, "wrapped": fmt.Errorf("submit: %w", err), "joined": errors.Join(errors.New("first"), err),
	} {
		got, ok := read(err)
		assert.True(t, ok, name)
		assert.Equal(t, want, got, name)
	}
}

func TestTheMessageStandsInForMissingDetails(t *testing.T) {
	for message, want := range map[string]Error{
		"SERVICE_NOT_RUNNING(1,0): Ledger API is not running": {ID: "SERVICE_NOT_RUNNING", Category: 1},
		"OFFSET_AFTER_LEDGER_END(12,abcd-123): too far":       {ID: "OFFSET_AFTER_LEDGER_END", Category: 12, CorrelationID: "abcd-123"},
		"X9_Y(14,): ":    {ID: "X9_Y", Category: 14},
		"A(1,): (2,x): ": {ID: "A", Category: 1},
	} {
		for name, err := range map[string]error{
			"plain": status.Error(codes.Unavailable, message), "wrapped": fmt.Errorf("oh: %w", status.Error(codes.Unavailable, message)),
		} {
			got, ok := read(err)
			assert.True(t, ok, "%s: %s", name, message)
			assert.Equal(t, want, got, "%s: %s", name, message)
		}
	}
}

func TestTheMessageFillsWhatTheDetailsLeaveOut(t *testing.T) {
	info := &errdetails.ErrorInfo{Reason: "REQUEST_TIME_OUT"}
	got, ok := read(answer(t, codes.DeadlineExceeded, "REQUEST_TIME_OUT(3,12345678): late", info))
	assert.True(t, ok)
	assert.Equal(t, Error{ID: "REQUEST_TIME_OUT", Category: 3, CorrelationID: "12345678"}, got)

	got, ok = read(answer(t, codes.DeadlineExceeded, "SOMETHING_ELSE(1,12345678): late", info))
	assert.True(t, ok)
	assert.Equal(t, Error{ID: "REQUEST_TIME_OUT"}, got, "a message about another error says nothing of this one")
}

func TestWhatNoNodeHasSaidIsNotRead(t *testing.T) {
	for name, err := range map[string]error{
		"nil":               nil,
		"no status":         errors.New("NODE_IS_PASSIVE_REPLICA(1,0): passive"),
		"context":           context.DeadlineExceeded,
		"OK":                successError{},
		"plain text":        status.Error(codes.Unavailable, "connection refused"),
		"empty":             status.Error(codes.Unavailable, ""),
		"lower case":        status.Error(codes.Unavailable, "node_is_passive(1,0): x"),
		"no category":       status.Error(codes.Unavailable, "ID(0): x"),
		"category 0":        status.Error(codes.Unavailable, "ID(0,a): x"),
		"category too big":  status.Error(codes.Unavailable, "ID(100,a): x"),
		"category negative": status.Error(codes.Unavailable, "ID(-1,a): x"),
		"category signed":   status.Error(codes.Unavailable, "ID(+1,a): x"),
		"category padded":   status.Error(codes.Unavailable, "ID(01,a): x"),
		"no parenthesis":    status.Error(codes.Unavailable, "ID 1,0): x"),
		"no text":           status.Error(codes.Unavailable, "ID(1,0)"),
		"begins later":      status.Error(codes.Unavailable, " ID(1,0): x"),
		"begins by a digit": status.Error(codes.Unavailable, "1D(1,0): x"),
		"id too long":       status.Error(codes.Unavailable, strings.Repeat("I", 64)+"(1,0): x"),
		"correlation long":  status.Error(codes.Unavailable, "ID(1,"+strings.Repeat("c", 129)+"): x"),
		"reason too long":   answer(t, codes.Unavailable, "", &errdetails.ErrorInfo{Reason: strings.Repeat("I", 64)}),
		"reason of others":  answer(t, codes.Unavailable, "", &errdetails.ErrorInfo{Reason: "rate limited"}),
	} {
		got, ok := read(err)
		assert.False(t, ok, name)
		assert.Empty(t, got.ID, name)
		assert.False(t, PassiveReplica(err), name)
		assert.False(t, AlreadyDone(err), name)
	}
}

// successError is an error that claims to be a success.
type successError struct{}

func (successError) Error() string              { return "OK" }
func (successError) GRPCStatus() *status.Status { return status.New(codes.OK, "ID(1,0): x") }

func TestWhatAPeerSaysIsBounded(t *testing.T) {
	many := make(map[string]string, maxMetadata+1)
	for i := range maxMetadata + 1 {
		many[fmt.Sprint(i)] = "x"
	}
	var filler []protoadapt.MessageV1
	for range maxDetails {
		filler = append(filler, &errdetails.Help{})
	}
	id := &errdetails.ErrorInfo{Reason: "ID"}
	for name, c := range map[string]struct {
		details []protoadapt.MessageV1
		want    Error
	}{
		"much metadata":     {[]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "ID", Metadata: many}}, Error{ID: "ID"}},
		"many details":      {append(filler, id), Error{}},
		"a large detail":    {[]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "ID", Domain: strings.Repeat("d", maxDetailSize)}}, Error{}},
		"a long delay":      {[]protoadapt.MessageV1{id, &errdetails.RetryInfo{RetryDelay: durationpb.New(1000 * time.Hour)}}, Error{ID: "ID", RetryDelay: time.Hour}},
		"a negative delay":  {[]protoadapt.MessageV1{id, &errdetails.RetryInfo{RetryDelay: durationpb.New(-time.Hour)}}, Error{ID: "ID"}},
		"an invalid delay":  {[]protoadapt.MessageV1{id, &errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: 1, Nanos: -1}}}, Error{ID: "ID"}},
		"no delay":          {[]protoadapt.MessageV1{id, &errdetails.RetryInfo{}}, Error{ID: "ID"}},
		"a long request id": {[]protoadapt.MessageV1{id, &errdetails.RequestInfo{RequestId: strings.Repeat("r", maxCorrelation+1)}}, Error{ID: "ID"}},
		"a second info":     {[]protoadapt.MessageV1{id, &errdetails.ErrorInfo{Reason: "OTHER"}}, Error{ID: "ID"}},
	} {
		got, ok := read(answer(t, codes.Unavailable, "", c.details...))
		assert.Equal(t, c.want.ID != "", ok, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestTheAnswersOfAPassiveReplicaAreKnown(t *testing.T) {
	for _, id := range []string{"NODE_IS_PASSIVE_REPLICA", "SYNC_SERVICE_PASSIVE_REPLICA", "SYNC_SERVICE_BECAME_PASSIVE"} {
		assert.True(t, PassiveReplica(answer(t, codes.Unavailable, "", &errdetails.ErrorInfo{Reason: id})), id)
		assert.True(t, PassiveReplica(status.Error(codes.Unavailable, id+"(1,0): Cannot process submitted command.")), id)
		assert.False(t, PassiveReplica(status.Error(codes.Aborted, id+"(1,0): ")), "with another code")
	}
	for message, want := range map[string]bool{
		"Node is passive": true,
		"Command set_schedule sent to passive replica: cannot modify the pruning schedule.": true,
		"Command " + strings.Repeat("x", 300) + " sent to passive replica":                  false,
		"A letter sent to passive replica":                                                  false,
		"This Node is passive":                                                              false,
		"SERVICE_NOT_RUNNING(1,0): Node is passive":                                         false,
		"PARTY_NOT_KNOWN(11,0): NODE_IS_PASSIVE_REPLICA":                                    false,
	} {
		assert.Equal(t, want, PassiveReplica(status.Error(codes.Unavailable, message)), message)
	}
	assert.False(t, PassiveReplica(status.Error(codes.Unimplemented, "Method not found: Node is passive")))
}

func TestOnlyADuplicateCommandIsDoneAlready(t *testing.T) {
	assert.True(t, AlreadyDone(status.Error(codes.AlreadyExists, "DUPLICATE_COMMAND(10,0): seen")))
	assert.False(t, AlreadyDone(status.Error(codes.Aborted, "DUPLICATE_COMMAND(10,0): seen")))
	assert.False(t, AlreadyDone(status.Error(codes.AlreadyExists, "USER_ALREADY_EXISTS(10,0): seen")))
}

func TestTheDocumentedCategoriesAreRetryable(t *testing.T) {
	for c := range Category(mostCategory) {
		assert.Equal(t, c == 1 || c == 2 || c == 3 || c == 12, c.Retryable(), c)
	}
}
