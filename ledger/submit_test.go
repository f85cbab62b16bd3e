package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

type options = SubmitOptions[*dynamicpb.Message]

var (
	lost      = status.Error(codes.Unavailable, "connection lost")
	passive   = damlError(codes.Unavailable, "NODE_IS_PASSIVE_REPLICA", 1, time.Second)
	contended = damlError(codes.Aborted, "PARTICIPANT_BACKPRESSURE", 2, time.Second)
	consumed  = damlError(codes.NotFound, "CONTRACT_NOT_FOUND", 11, 0)
)

// minutes bounds a test's submissions.
func minutes(t *testing.T, n int) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestACommandIsSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.pass(41)
		request := command("pay")
		before := proto.Clone(request)
		reply, outcome, err := Submit(t.Context(), n.submitter(false), n.caller("SubmitAndWait"), request, options{})
		require.NoError(t, err)
		assert.Equal(t, Outcome{UpdateID: "update-42", CompletionOffset: At(42), Attempts: 1}, outcome)
		assert.Equal(t, "update-42", textAt(reply, "update_id"))
		assert.True(t, proto.Equal(before, request), "the request is the caller's")
		assert.Len(t, n.submissions(), 1)
		assert.NotEmpty(t, n.submissions()[0])
	})
}

func TestTheReplyOfEachMethodSaysTheOutcome(t *testing.T) {
	prepared := fields{"prepared_transaction": fields{"metadata": fields{"submitter_info": fields{
		"command_id": "pay", "act_as": []string{"Alice"},
	}}}, "user_id": "alice"}
	reassign := fields{"reassignment_commands": fields{"command_id": "pay", "submitter": "Alice", "user_id": "alice"}}
	for method, c := range map[string]struct {
		request *dynamicpb.Message
		offset  int64
	}{
		"SubmitAndWait":                {command("pay"), 1},
		"SubmitAndWaitForTransaction":  {commandFor("SubmitAndWaitForTransactionRequest", "pay"), 0},
		"SubmitAndWaitForReassignment": {v2("SubmitAndWaitForReassignmentRequest", reassign), 0},
		"Submit":                       {commandFor("SubmitRequest", "pay"), 1},
		"SubmitReassignment":           {v2("SubmitReassignmentRequest", reassign), 1},
		"ExecuteSubmission":            {interactive("ExecuteSubmissionRequest", prepared), 1},
		"ExecuteSubmissionAndWait":     {interactive("ExecuteSubmissionAndWaitRequest", prepared), 1},
	} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				_, outcome, err := Submit(t.Context(), n.submitter(true), n.caller(method), c.request, options{})
				require.NoError(t, err)
				assert.Equal(t, Outcome{UpdateID: "update-1", CompletionOffset: At(c.offset), Attempts: 1}, outcome)
			})
		})
	}
}

// Whatever happens to attempts, the command is executed once, under one command ID, with a submission
// ID for each attempt.
func TestACommandIsSubmittedAgainUntilItsOutcomeIsKnown(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		treatments []treatment
		attempts   int
		replied    bool // or it was a duplicate of its own
		least      time.Duration
	}{
		"passive":                     {[]treatment{{before: passive}}, 2, true, 0},
		"overloaded":                  {[]treatment{{before: contended}}, 2, true, second},
		"lost before it came":         {[]treatment{{before: lost}}, 2, true, 0},
		"reply lost":                  {[]treatment{{lose: lost}}, 2, false, 0},
		"reply lost twice":            {[]treatment{{lose: lost}, {lose: lost}}, 3, false, 0},
		"reply lost, still in flight": {[]treatment{{lose: lost, takes: 3 * second}}, 5, false, 3 * second},
		"rejected after a lost reply": {[]treatment{{lose: lost, takes: second, reject: contended}}, 3, true, second},
		"node's time-out":             {[]treatment{{lose: damlError(codes.DeadlineExceeded, "REQUEST_TIME_OUT", 3, second)}}, 2, false, second},
		"cancelled in a shutdown":     {[]treatment{{lose: status.Error(codes.Canceled, "Node is shutting down")}}, 2, false, 0},
		"internal":                    {[]treatment{{lose: status.Error(codes.Internal, "RST_STREAM")}}, 2, false, 0},
		"not connected yet":           {[]treatment{{before: damlError(codes.FailedPrecondition, "NOT_CONNECTED_TO_ANY_SYNCHRONIZER", 9, 0)}}, 2, true, 0},
		"unimplemented":               {[]treatment{{before: status.Error(codes.Unimplemented, "passive")}}, 2, true, 0},
		"token expired":               {[]treatment{{before: status.Error(codes.Unauthenticated, "expired")}}, 2, true, 0},
		"hung":                        {[]treatment{{hang: true}}, 2, false, time.Minute},
		"hung before it came":         {[]treatment{{hang: true, takes: second, reject: contended}}, 2, true, time.Minute},
		"reply too large":             {[]treatment{{lose: status.Error(codes.ResourceExhausted, "larger than max")}}, 2, false, 0},
	} {
		for _, completions := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", completions: ", completions), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t)
					n.treats(t, c.treatments...)
					dropped := 0
					s := n.submitter(completions)
					s.DropToken = func() { dropped++ }
					var told []Retry
					s.OnRetry = func(r Retry) { told = append(told, r) }
					start := time.Now()
					reply, outcome, err := Submit(minutes(t, 5), s, n.caller("SubmitAndWait"), command("pay"), options{})
					require.NoError(t, err)
					assert.Equal(t, map[string]int{"pay": 1}, n.executions())
					assert.False(t, outcome.Earlier)
					assert.Equal(t, c.replied, reply != nil)
					assert.Equal(t, c.attempts, outcome.Attempts)
					assert.Len(t, told, c.attempts-1)
					assert.GreaterOrEqual(t, time.Since(start), c.least)
					assert.Less(t, time.Since(start), c.least+8*time.Second)
					if c.replied || completions {
						assert.NotEmpty(t, outcome.UpdateID)
					}
					assert.False(t, outcome.CompletionOffset.IsZero())
					assert.Equal(t, name == "token expired", dropped == 1)
					seen := map[string]bool{}
					for _, id := range n.submissions() {
						assert.False(t, seen[id], "a fresh submission ID")
						seen[id] = true
					}
					assert.Len(t, seen, c.attempts)
				})
			})
		}
	}
}

func TestACommandThatIsRefusedIsNotExecuted(t *testing.T) {
	for name, err := range map[string]error{
		"invalid":              status.Error(codes.InvalidArgument, "no"),
		"not found":            consumed,
		"denied":               status.Error(codes.PermissionDenied, "no"),
		"deduplication period": damlError(codes.FailedPrecondition, "INVALID_DEDUPLICATION_PERIOD", 9, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.treats(t, treatment{before: err})
				_, outcome, got := Submit(t.Context(), n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
				var not *NotExecutedError
				require.ErrorAs(t, got, &not)
				assert.Equal(t, 1, not.Attempts)
				assert.Equal(t, 1, outcome.Attempts)
				assert.Equal(t, "pay", not.ChangeID.CommandID)
				assert.Equal(t, []string{"Alice", "Bob"}, not.ChangeID.ActAs)
				assert.Equal(t, status.Code(err), status.Code(errors.Unwrap(got)))
				assert.Empty(t, n.executions())
			})
		})
	}
}

// What lasts is given up after a minute, or after the second time.
func TestWhatLastsIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		unknown bool
	}{
		"unauthenticated": {status.Error(codes.Unauthenticated, "no"), false},
		"unimplemented":   {status.Error(codes.Unimplemented, "no"), false},
		"not connected":   {damlError(codes.FailedPrecondition, "NOT_CONNECTED_TO_ANY_SYNCHRONIZER", 9, 0), false},
		"internal":        {status.Error(codes.Internal, "no"), true},
		"internal, final": {damlError(codes.Internal, "LEDGER_API_INTERNAL_ERROR", 4, 0), true},
		"exhausted":       {status.Error(codes.ResourceExhausted, "no"), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.ledger.treat = func(*submitted) treatment { return treatment{before: c.err} }
				start := time.Now()
				_, _, got := Submit(t.Context(), n.submitter(false), n.caller("SubmitAndWait"), command("pay"), options{})
				var not *NotExecutedError
				var unknown *UnknownOutcomeError
				assert.Equal(t, !c.unknown, errors.As(got, &not), got)
				assert.Equal(t, c.unknown, errors.As(got, &unknown), got)
				assert.Less(t, time.Since(start), 70*time.Second)
			})
		})
	}
}

// After an attempt whose fate is unknown, a rejection proves nothing: the command may have consumed the
// contract that the next attempt does not find.
func TestARejectionAfterALostReplyProvesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		treatments  []treatment
		completions bool
		silent      bool
		want        string
	}{
		"executed, known by its completion": {[]treatment{{lose: lost}, {before: consumed}}, true, false, "executed"},
		"executed later": {
			[]treatment{{lose: lost, takes: 20 * time.Second}, {before: consumed}}, true, false, "executed",
		},
		"rejected, known by its completion": {[]treatment{{lose: lost, reject: contended}, {before: consumed}}, true, false, "not executed"},
		"never came":                        {[]treatment{{before: lost}, {before: consumed}}, true, false, "unknown"},
		"without completions":               {[]treatment{{lose: lost}, {before: consumed}}, false, false, "unknown"},
		"completions that do not come":      {[]treatment{{lose: lost}, {before: consumed}}, true, true, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.pass(10)
				n.ledger.silent = c.silent
				n.treats(t, c.treatments...)
				start := time.Now()
				_, outcome, err := Submit(t.Context(), n.submitter(c.completions), n.caller("SubmitAndWait"), command("pay"), options{})
				var not *NotExecutedError
				var unknown *UnknownOutcomeError
				switch c.want {
				case "executed":
					require.NoError(t, err)
					assert.NotEmpty(t, outcome.UpdateID)
					assert.Equal(t, map[string]int{"pay": 1}, n.executions())
				case "not executed":
					require.ErrorAs(t, err, &not)
					assert.Empty(t, n.executions())
				default:
					require.ErrorAs(t, err, &unknown)
					assert.Equal(t, At(10), unknown.After)
					assert.Equal(t, "pay", unknown.ChangeID.CommandID)
					require.ErrorContains(t, err, "after offset 10")
					assert.Equal(t, codes.NotFound, status.Code(errors.Unwrap(err)))
				}
				assert.Equal(t, 2, outcome.Attempts)
				assert.Less(t, time.Since(start), 70*time.Second)
			})
		})
	}
}

func TestACommandIDThatWasUsedBeforeIsTold(t *testing.T) {
	for _, accept := range []bool{false, true} {
		for name, c := range map[string]struct {
			method, request string
			noIDs           bool
		}{
			"SubmitAndWait":           {"SubmitAndWait", "SubmitAndWaitRequest", false},
			"without existing":        {"SubmitAndWait", "SubmitAndWaitRequest", true},
			"Submit":                  {"Submit", "SubmitRequest", false},
			"Submit without existing": {"Submit", "SubmitRequest", true},
		} {
			t.Run(fmt.Sprint(name, ", accepted: ", accept), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t)
					_, _, err := Submit(t.Context(), n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
					require.NoError(t, err)
					n.ledger.noIDs = c.noIDs
					_, outcome, err := Submit(t.Context(), n.submitter(true), n.caller(c.method), commandFor(c.request, "pay"),
						options{AcceptEarlier: accept})
					if accept {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, ErrEarlier)
					}
					assert.True(t, outcome.Earlier)
					if !c.noIDs {
						assert.Equal(t, At(1), outcome.CompletionOffset)
					}
					assert.Equal(t, map[string]int{"pay": 1}, n.executions())
				})
			})
		}
	}
}

// A proxy that drops the details of errors leaves it to the completions whose duplicate it is.
func TestADuplicateThatSaysNothingIsToldByItsCompletion(t *testing.T) {
	for _, own := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			first := treatment{lose: lost}
			if !own {
				_, _, err := Submit(t.Context(), n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
				require.NoError(t, err)
				n.ledger.turns = map[string]int{}
				first = treatment{lose: lost, reject: contended, ignores: true}
			}
			n.ledger.noIDs = true
			n.treats(t, first)
			_, outcome, err := Submit(t.Context(), n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
			assert.Equal(t, map[string]int{"pay": 1}, n.executions())
			assert.Equal(t, !own, outcome.Earlier)
			if own {
				require.NoError(t, err)
				assert.NotEmpty(t, outcome.UpdateID)
			} else {
				require.ErrorIs(t, err, ErrEarlier)
			}
		})
	}
}

func TestAFetchSuppliesTheReplyThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.treats(t, treatment{lose: lost})
		away := errors.New("away")
		fetch := func(_ context.Context, o Outcome) (*dynamicpb.Message, error) {
			if o.CompletionOffset != At(1) {
				return nil, away
			}
			return v2("SubmitAndWaitForTransactionResponse", fields{"transaction": fields{"update_id": "update-1"}}), nil
		}
		submit := func(id string) (*dynamicpb.Message, Outcome, error) {
			return Submit(t.Context(), n.submitter(false), n.caller("SubmitAndWaitForTransaction"),
				commandFor("SubmitAndWaitForTransactionRequest", id), options{Fetch: fetch})
		}
		reply, outcome, err := submit("pay")
		require.NoError(t, err)
		assert.Equal(t, "update-1", textAt(reply, "transaction.update_id"))
		assert.Equal(t, "update-1", outcome.UpdateID)

		_, outcome, err = submit("pay again")
		var failed *FetchError
		require.ErrorAs(t, err, &failed)
		require.ErrorIs(t, err, away)
		require.ErrorContains(t, err, "was executed")
		assert.Equal(t, outcome, failed.Outcome)
		assert.Equal(t, map[string]int{"pay": 1, "pay again": 1}, n.executions())
	})
}

func TestTheEndOfTheContextLeavesAKnownOrAnUnknownOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		treat   treatment
		unknown bool
	}{
		"never sent": {treatment{before: passive}, false},
		"overloaded": {treatment{before: contended}, false},
		"lost":       {treatment{before: lost}, true},
		"hung":       {treatment{hang: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.pass(10)
				n.ledger.treat = func(*submitted) treatment { return c.treat }
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, _, err := Submit(ctx, n.submitter(false), n.caller("SubmitAndWait"), command("pay"), options{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				var unknown *UnknownOutcomeError
				var not *NotExecutedError
				if c.unknown {
					require.ErrorAs(t, err, &unknown)
					assert.Equal(t, At(10), unknown.After)
				} else {
					require.ErrorAs(t, err, &not)
				}
			})
		})
	}
}

// Within the deduplication period an attempt after one in doubt is safe. Beyond it, it might be a second
// execution, and is not made.
func TestNoAttemptIsMadeAfterTheDeduplicationPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		period  time.Duration
		before  error
		unknown bool
		most    time.Duration
	}{
		"in doubt":        {10 * time.Second, lost, true, 9 * time.Second},
		"of no length":    {0, lost, true, time.Second},
		"without a doubt": {10 * time.Second, contended, false, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				start := time.Now()
				var last time.Duration
				n.ledger.treat = func(*submitted) treatment {
					last = time.Since(start)
					if last > 20*time.Second {
						return treatment{}
					}
					return treatment{before: c.before}
				}
				request := command("pay")
				fill(request, fields{"commands": fields{"deduplication_duration": durationpb.New(c.period)}})
				_, _, err := Submit(minutes(t, 5), n.submitter(false), n.caller("SubmitAndWait"), request, options{})
				var unknown *UnknownOutcomeError
				assert.Equal(t, c.unknown, errors.As(err, &unknown), err)
				assert.LessOrEqual(t, last, c.most)
			})
		})
	}
}

func TestASubmissionThatIsOnlyAcceptedIsKnownByItsCompletion(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		treatments []treatment
		attempts   int
		err        bool
	}{
		"executed":                         {nil, 1, false},
		"executed later":                   {[]treatment{{takes: 10 * second}}, 1, false},
		"rejected for good":                {[]treatment{{takes: second, reject: consumed}}, 1, true},
		"rejected for now":                 {[]treatment{{takes: second, reject: contended}}, 2, false},
		"answer lost":                      {[]treatment{{lose: lost}}, 2, false},
		"answer lost, executed later":      {[]treatment{{lose: lost, takes: 5 * second}}, 7, false},
		"answer lost, rejected later":      {[]treatment{{lose: lost, takes: 300 * time.Millisecond, reject: contended}}, 3, false},
		"hung, executed":                   {[]treatment{{hang: true}}, 2, false},
		"very late":                        {[]treatment{{takes: 90 * second}}, 0, false},
		"refused":                          {[]treatment{{before: consumed}}, 1, true},
		"answer lost, then refused":        {[]treatment{{lose: lost, takes: 5 * second}, {before: consumed}}, 2, false},
		"lost and rejected, then refused":  {[]treatment{{lose: lost, takes: 5 * second, reject: contended}, {before: consumed}}, 2, true},
		"rejected twice, the last for now": {[]treatment{{reject: contended}, {reject: contended}}, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.treats(t, c.treatments...)
				_, outcome, err := Submit(minutes(t, 10), n.submitter(true), n.caller("Submit"), commandFor("SubmitRequest", "pay"), options{})
				if c.err {
					var not *NotExecutedError
					require.ErrorAs(t, err, &not)
					assert.Empty(t, n.executions())
				} else {
					require.NoError(t, err)
					assert.Equal(t, map[string]int{"pay": 1}, n.executions())
					assert.NotEmpty(t, outcome.UpdateID)
					assert.False(t, outcome.Earlier)
				}
				if c.attempts > 0 {
					assert.Equal(t, c.attempts, outcome.Attempts)
				}
			})
		})
	}
}

func TestCompletionsThatCannotBeReadLeaveTheOutcomeUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.stream = func(int, *serverStream) error { return status.Error(codes.PermissionDenied, "no") }
		_, _, err := Submit(minutes(t, 10), n.submitter(true), n.caller("Submit"), commandFor("SubmitRequest", "pay"), options{})
		var unknown *UnknownOutcomeError
		require.ErrorAs(t, err, &unknown)
		require.ErrorContains(t, err, "completion stream has ended")
		assert.Equal(t, codes.PermissionDenied, status.Code(err))
		assert.Equal(t, 1, unknown.Attempts)
	})
}

// A completion stream that breaks goes on.
func TestACompletionIsFoundAfterItsStreamBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.treats(t, treatment{takes: 10 * time.Second})
		n.stream = func(turn int, _ *serverStream) error {
			if turn < 5 {
				time.Sleep(time.Second)
				return lost
			}
			return errGoOn
		}
		_, outcome, err := Submit(t.Context(), n.submitter(true), n.caller("Submit"), commandFor("SubmitRequest", "pay"), options{})
		require.NoError(t, err)
		assert.Equal(t, Outcome{UpdateID: "update-1", CompletionOffset: At(1), Attempts: 1}, outcome)
	})
}

// The node executes a reassignment as often as it comes.
func TestAReassignmentIsSubmittedOnce(t *testing.T) {
	request := fields{"reassignment_commands": fields{"command_id": "move", "submitter": "Alice", "user_id": "alice"}}
	for _, method := range []string{"SubmitReassignment", "SubmitAndWaitForReassignment"} {
		for name, c := range map[string]struct {
			treat treatment
			want  string
		}{
			"executed":             {treatment{}, "executed"},
			"reply lost":           {treatment{lose: lost, takes: 5 * time.Second}, "executed"},
			"reply lost, rejected": {treatment{lose: lost, takes: 5 * time.Second, reject: contended}, "not executed"},
			"rejected":             {treatment{reject: contended}, "not executed"},
			"overloaded":           {treatment{before: contended}, "not executed"},
			"never came":           {treatment{before: lost}, "unknown"},
		} {
			t.Run(method+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t)
					n.treats(t, c.treat)
					_, outcome, err := Submit(minutes(t, 10), n.submitter(true), n.caller(method), v2(method+"Request", request), options{})
					var not *NotExecutedError
					var unknown *UnknownOutcomeError
					switch c.want {
					case "executed":
						require.NoError(t, err)
						assert.Equal(t, "update-1", outcome.UpdateID)
					case "not executed":
						require.ErrorAs(t, err, &not)
						assert.Empty(t, n.executions())
					default:
						require.ErrorAs(t, err, &unknown)
						assert.Equal(t, []string{unknown.SubmissionID}, n.submissions())
					}
					assert.Len(t, n.submissions(), 1)
				})
			})
		}
	}
}

func TestARequestThatLacksSomethingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		without := func(name string) *dynamicpb.Message {
			m := command("pay")
			setText(m, "commands."+name, "")
			return m
		}
		parties := v2("SubmitAndWaitRequest", fields{"commands": fields{"command_id": "pay", "act_as": []string{""}}})
		strict := n.submitter(true)
		strict.UserIDRequired = true
		for want, c := range map[string]struct {
			s       *Submitter
			request *dynamicpb.Message
			method  string
		}{
			"commands.command_id: is empty: want an ID that the caller keeps, since a retry under another one": {n.submitter(true), without("command_id"), "SubmitAndWait"},
			"commands.act_as: is empty":            {n.submitter(true), parties, "SubmitAndWait"},
			"commands.user_id: is empty":           {strict, without("user_id"), "SubmitAndWait"},
			"Submitter.Node.LedgerEnd: is nil":     {&Submitter{}, command("pay"), "SubmitAndWait"},
			"Submitter.Completions: is nil":        {n.submitter(false), commandFor("SubmitRequest", "pay"), "Submit"},
			"Submitter.Completions: is nil: want":  {&Submitter{Node: NodeOf(n.conn), Completions: CompletionsOf[*dynamicpb.Message](nil)}, commandFor("SubmitRequest", "pay"), "Submit"},
			"Submitter.AttemptTimeout: 30ns: want": {&Submitter{Node: NodeOf(n.conn), AttemptTimeout: 30}, command("pay"), "SubmitAndWait"},
			"Submitter.AttemptTimeout: -1s: want":  {&Submitter{Node: NodeOf(n.conn), AttemptTimeout: -time.Second}, command("pay"), "SubmitAndWait"},
			"GetLedgerEndRequest submits nothing":  {n.submitter(true), v2("GetLedgerEndRequest", nil), "Submit"},
			"request: is nil":                      {n.submitter(true), nil, "Submit"},
			"the Submitter or the call is nil":     {nil, command("pay"), "Submit"},
			"a SubmitReassignmentRequest cannot be known": {
				n.submitter(false), v2("SubmitReassignmentRequest", fields{"reassignment_commands": fields{"command_id": "c", "submitter": "A"}}), "Submit",
			},
		} {
			_, _, err := Submit(t.Context(), c.s, n.caller(c.method), c.request, options{})
			var refused *RequestError
			require.ErrorAs(t, err, &refused, want)
			assert.ErrorContains(t, err, want)
		}
		assert.Empty(t, n.submissions())
	})
}

func TestWithoutALedgerEndNothingIsSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.noEnd = true
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, _, err := Submit(ctx, n.submitter(true), n.caller("SubmitAndWait"), command("pay"), options{})
		var not *NotExecutedError
		require.ErrorAs(t, err, &not)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, not.Attempts)
		assert.Empty(t, n.submissions())
	})
}

func TestTheLedgerEndIsNotAskedForEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		s := n.submitter(false)
		for i := range 30 {
			_, _, err := Submit(t.Context(), s, n.caller("SubmitAndWait"), command(fmt.Sprint(i)), options{})
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond)
		}
		assert.Equal(t, 3, n.count(methodLedgerEnd))
		after, err := s.After(t.Context())
		require.NoError(t, err)
		assert.Equal(t, At(30), after)
	})
}

func TestANilReplyIsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		call := func(context.Context, *dynamicpb.Message, ...grpc.CallOption) (*dynamicpb.Message, error) {
			return nil, nil //nolint:nilnil // that is what is tested
		}
		_, _, err := Submit(t.Context(), n.submitter(false), call, command("pay"), options{})
		var unknown *UnknownOutcomeError
		require.ErrorAs(t, err, &unknown)
		require.ErrorContains(t, err, "nil reply")
	})
}
