package ledger

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

func TestErrorsSayWhatHappened(t *testing.T) {
	id := ChangeID{UserID: "alice", ActAs: []string{"Alice", "Bob"}, CommandID: "pay"}
	for want, err := range map[string]error{
		`ledger: the stream ended after offset 0 (the beginning of the ledger): misused: EOF (mend the program)`:        &StoppedError{Cause: Misused, Err: io.EOF},
		`ledger: the ledger ends at 3, before offset 5: the database was restored, or another participant answers`:      &RewoundError{Last: At(5), End: At(3)},
		`ledger: command "pay" of user "alice" for "Alice, Bob" was not executed (attempts: 2): EOF`:                    &NotExecutedError{ChangeID: id, Attempts: 2, Err: io.EOF},
		`ledger: it is not known whether command "pay" of user "alice" for "Alice, Bob" was executed (attempts: 2; its`: &UnknownOutcomeError{Pending: Pending{ChangeID: id}, Attempts: 2, Err: io.EOF},
		`ledger: the command was executed (update "u", completion offset 7), and its transaction`:                       &FetchError{Outcome: Outcome{UpdateID: "u", CompletionOffset: At(7)}, Err: io.EOF},
	} {
		assert.ErrorContains(t, err, want)
	}
	plain := interrupted(canceled(), "the stream", nil)
	require.EqualError(t, plain, "ledger: the stream: context canceled")
	require.ErrorIs(t, plain, context.Canceled)
	assert.Equal(t, codes.Canceled, status.Code(plain))
	assert.NoError(t, interrupted(context.Background(), "the stream", io.EOF))
}

// lateContext has a deadline that has passed and a timer that has not fired yet.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now(), true }

func TestADeadlineThatTheServerKeepsFirstIsTheCallers(t *testing.T) {
	said := status.Error(codes.DeadlineExceeded, "context deadline exceeded")
	err := interrupted(lateContext{t.Context()}, "the stream", said)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, said)
	r := newReopener(Node{}, nil, func(Reopening) { assert.Fail(t, "the stream is reopened") })
	require.ErrorIs(t, r.again(lateContext{t.Context()}, At(3), said), context.DeadlineExceeded)
}

func TestAnAttemptHasItsOwnTimeout(t *testing.T) {
	assert.Equal(t, time.Minute, (&Submitter{}).attemptTimeout())
	assert.Equal(t, time.Second, (&Submitter{AttemptTimeout: time.Second}).attemptTimeout())
}

func TestCompletionsThatCannotBeOpenedSayWhy(t *testing.T) {
	away := errors.New("away")
	open := CompletionsOf(func(context.Context, ChangeID, Offset) (Receiver[*dynamicpb.Message], error) { return nil, away })
	_, err := open(t.Context(), ChangeID{}, Offset{})
	require.ErrorIs(t, err, away)
}

func TestTheIDsOfOutcomesAreFoundInEachReply(t *testing.T) {
	for name, reply := range map[string]proto.Message{
		"v2": v2("SubmitAndWaitForReassignmentResponse", fields{"reassignment": fields{"update_id": "u"}}),
		"v1": v1("SubmitAndWaitForTransactionIdResponse", fields{"transaction_id": "u", "completion_offset": "0a"}),
	} {
		var o Outcome
		o.learn(reply.ProtoReflect())
		assert.Equal(t, "u", o.UpdateID, name)
	}
	var o Outcome
	o.learn(v2("SubmitResponse", nil))
	assert.Equal(t, Outcome{}, o)
}
