package ledger

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cantonlb/cantonlb"
)

// SubmitAndWaitForTransaction and its like look up what they have executed, and that may fail.
func TestALookUpThatFailsAfterTheExecutionIsNoRejection(t *testing.T) {
	for _, id := range idsAfterExecution {
		for _, method := range []string{"SubmitAndWaitForTransaction", "SubmitAndWaitForReassignment"} {
			t.Run(method+" "+id, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t)
					n.treats(t, treatment{lose: damlError(codes.NotFound, id, 11, 0)})
					request := commandFor("SubmitAndWaitForTransactionRequest", "pay")
					if method == "SubmitAndWaitForReassignment" {
						request = v2(method+"Request", fields{"reassignment_commands": fields{"command_id": "pay", "submitter": "A", "user_id": "alice"}})
					}
					_, outcome, err := Submit(t.Context(), n.submitter(true), n.caller(method), request, options{})
					require.NoError(t, err)
					assert.Equal(t, "update-1", outcome.UpdateID)
					assert.Equal(t, map[string]int{"pay": 1}, n.executions())
				})
			})
		}
	}
}

func TestASubmissionWhoseContextHasEndedIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		s := n.submitter(false)
		_, err := s.After(t.Context()) // which is then known
		require.NoError(t, err)
		_, outcome, err := Submit(canceled(), s, n.caller("SubmitAndWait"), command("pay"), options{})
		var not *NotExecutedError
		require.ErrorAs(t, err, &not)
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, outcome.Attempts)
		assert.Empty(t, n.submissions())
	})
}

// There is no use in further attempts over a channel that the program has closed.
func TestACommandOverAClosedChannelIsSubmittedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		s := n.submitter(false)
		_, err := s.After(t.Context())
		require.NoError(t, err)
		shut := func(context.Context, *dynamicpb.Message, ...grpc.CallOption) (*dynamicpb.Message, error) {
			return nil, cantonlb.ErrShutdown
		}
		start := time.Now()
		_, outcome, err := Submit(minutes(t, 10), s, shut, command("pay"), options{})
		var not *NotExecutedError
		require.ErrorAs(t, err, &not, "it was not sent")
		assert.Equal(t, 1, outcome.Attempts)

		require.NoError(t, n.conn.Close())
		_, outcome, err = Submit(minutes(t, 10), s, n.caller("SubmitAndWait"), command("pay"), options{})
		var unknown *UnknownOutcomeError
		require.ErrorAs(t, err, &unknown, "grpc may have retried")
		assert.Equal(t, 1, outcome.Attempts)
		assert.Zero(t, time.Since(start))
	})
}

// A duplicate of a submission that is not named may be one of an attempt in doubt, and so is no proof that
// the ID was used for another command.
func TestADuplicateOfAnUnknownSubmissionIsNotSaidToBeAnothers(t *testing.T) {
	for name, c := range map[string]struct{ completions, accept bool }{
		"without completions": {false, false}, "completions that do not come": {true, false}, "accepted": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.ledger.noIDs, n.ledger.silent = true, true
				n.treats(t, treatment{lose: lost})
				_, outcome, err := Submit(t.Context(), n.submitter(c.completions), n.caller("SubmitAndWait"), command("pay"),
					options{AcceptEarlier: c.accept})
				assert.Equal(t, 2, outcome.Attempts)
				if c.accept {
					require.NoError(t, err)
					return
				}
				var unknown *UnknownOutcomeError
				require.ErrorAs(t, err, &unknown)
				require.ErrorContains(t, err, "DUPLICATE_COMMAND")
			})
		})
	}
}

// A message of v1 holds several completions. What follows the execution of a command is about others.
func TestRecoverReadsNoFurtherThanTheExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.pass(9)
		one := fields{"command_id": "pay", "application_id": "app", "act_as": []string{"A"}}
		executed, again := fields{"transaction_id": "t"}, fields{"status": statusOf(damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0)).Proto()}
		for k, v := range one {
			executed[k], again[k] = v, v
		}
		m := v1("CompletionStreamResponse", fields{
			"checkpoint": fields{"offset": fields{"absolute": "7"}}, "completions": []fields{executed, again},
		})
		s := n.submitter(false)
		s.Completions = CompletionsOf(func(ctx context.Context, _ ChangeID, _ Offset) (Receiver[*dynamicpb.Message], error) {
			return &pausing{ctx, m}, nil
		})
		got, err := Recover(t.Context(), s, Pending{ChangeID: ChangeID{"app", []string{"A"}, "pay"}})
		require.NoError(t, err)
		assert.Equal(t, Recovered{Fate: Executed, UpdateID: "t", CompletionOffset: At(7)}, got)
	})
}
