package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// readyAt returns a Ready that returns at that time after now.
func readyAt(after time.Duration) func(context.Context) error {
	at := time.Now().Add(after)
	return func(ctx context.Context) error {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}

// A stream that ended because its replica is gone is opened again at the moment when
// another replica can take it, and no attempt is made before.
func TestAStreamIsReopenedAsSoonAsAReplicaIsReady(t *testing.T) {
	for name, c := range map[string]struct{ ready, reopened time.Duration }{
		"before the pause is over": {0, 75 * time.Millisecond},
		"later":                    {3 * time.Second, 3 * time.Second},
		"never":                    {time.Hour, longest + 75*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(1, 2)
				n.stream = func(turn int, s *serverStream) error {
					if turn == 0 {
						_ = s.tail(1)
						return status.Error(codes.Unavailable, "gone")
					}
					return errGoOn
				}
				var met causes
				start := time.Now()
				got, err := read(Updates(t.Context(), Offset{}, n.updates, Options[*dynamicpb.Message]{
					OnReopen: met.add, Node: Node{Ready: readyAt(c.ready)},
				}), 2)
				require.NoError(t, err)
				assert.Equal(t, []int64{1, 2}, got)
				assert.Equal(t, causes{Unavailable}, met)
				assert.GreaterOrEqual(t, time.Since(start), min(c.ready, longest))
				assert.LessOrEqual(t, time.Since(start), c.reopened+time.Millisecond)
			})
		})
	}
}

func TestACommandIsSubmittedAgainAsSoonAsAReplicaIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.treats(t, treatment{before: lost})
		s := n.submitter(true)
		s.Node.Ready = readyAt(3 * time.Second)
		start := time.Now()
		_, outcome, err := Submit(t.Context(), s, n.caller("SubmitAndWait"), command("pay"), options{})
		require.NoError(t, err)
		assert.Equal(t, 2, outcome.Attempts)
		assert.InDelta(t, 3*time.Second, time.Since(start), float64(time.Millisecond))
	})
}

// The wait for a replica may last until the deduplication period is over: then another attempt
// might be a second execution, and is not made.
func TestTheWaitForAReplicaDoesNotOutlastTheDeduplicationPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		before   error
		attempts int
	}{
		"in doubt":        {lost, 1},
		"without a doubt": {contended, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				attempts := 0
				n.ledger.treat = func(*submitted) treatment {
					if attempts++; attempts == 1 {
						return treatment{before: c.before}
					}
					return treatment{}
				}
				request := command("pay")
				fill(request, fields{"commands": fields{"deduplication_duration": durationpb.New(2 * time.Second)}})
				s := n.submitter(false)
				s.Node.Ready = readyAt(3 * time.Second)
				_, _, err := Submit(t.Context(), s, n.caller("SubmitAndWait"), request, options{})
				assert.Equal(t, c.attempts, attempts)
				var unknown *UnknownOutcomeError
				assert.Equal(t, c.attempts == 1, errors.As(err, &unknown), err)
			})
		})
	}
}

// An attempt may also wait for an endpoint once it is made.
func TestAnAttemptInDoubtDoesNotWaitBeyondTheDeduplicationPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		before  error
		arrived int
	}{
		"in doubt":        {lost, 1},
		"without a doubt": {contended, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				arrived := 0
				n.ledger.treat = func(*submitted) treatment {
					if arrived++; arrived == 1 {
						return treatment{before: c.before}
					}
					return treatment{}
				}
				request := command("pay")
				fill(request, fields{"commands": fields{"deduplication_duration": durationpb.New(5 * time.Second)}})
				submit, attempts := n.caller("SubmitAndWait"), 0
				_, _, err := Submit(minutes(t, 5), n.submitter(false), func(ctx context.Context, m *dynamicpb.Message, opts ...grpc.CallOption) (*dynamicpb.Message, error) {
					if attempts++; attempts > 1 && !sleep.For(ctx, 10*time.Second) { // no endpoint is eligible
						return nil, status.FromContextError(ctx.Err()).Err()
					}
					return submit(ctx, m, opts...)
				}, request, options{})
				assert.Equal(t, c.arrived, arrived)
				var unknown *UnknownOutcomeError
				assert.Equal(t, c.arrived == 1, errors.As(err, &unknown), err)
			})
		})
	}
}
