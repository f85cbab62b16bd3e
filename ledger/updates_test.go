package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cantonlb/cantonlb"
)

// read collects the offsets of updates until there are n, and the error of the stream.
func read[M any](seq iter.Seq2[Update[M], error], n int) (offsets []int64, err error) {
	if n == 0 {
		return nil, nil
	}
	for u, err := range seq {
		if err != nil {
			return offsets, err
		}
		if !u.Checkpoint {
			offsets = append(offsets, u.Offset.Int64())
		}
		if len(offsets) == n {
			break
		}
	}
	return offsets, nil
}

// causes collects what reopenings are told.
type causes []Cause

func (c *causes) add(r Reopening) { *c = append(*c, r.Cause) }

// Whatever ends a stream that can go on, it goes on where it was.
func TestAStreamGoesOnAfterEachErrorThatPasses(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		cause  Cause
		within time.Duration
	}{
		"end of stream":        {nil, EndOfStream, 100 * time.Millisecond},
		"unavailable":          {status.Error(codes.Unavailable, "gone"), Unavailable, 100 * time.Millisecond},
		"passive":              {damlError(codes.Unavailable, "NODE_IS_PASSIVE_REPLICA", 1, time.Second), Unavailable, 100 * time.Millisecond},
		"shutting down":        {damlError(codes.Unavailable, "ABORTED_DUE_TO_SHUTDOWN", 1, 10*time.Second), Unavailable, 100 * time.Millisecond},
		"cancelled by server":  {status.Error(codes.Canceled, "Node is shutting down"), ServerCanceled, 100 * time.Millisecond},
		"unimplemented":        {status.Error(codes.Unimplemented, "Method not found"), Unimplemented, 100 * time.Millisecond},
		"token expired":        {damlError(codes.Aborted, "ACCESS_TOKEN_EXPIRED", 2, time.Second), TokenExpired, 100 * time.Millisecond},
		"stale authorization":  {damlError(codes.Aborted, "STALE_STREAM_AUTHORIZATION", 2, time.Second), TokenExpired, 100 * time.Millisecond},
		"aborted with a delay": {damlError(codes.Aborted, "MAXIMUM_NUMBER_OF_STREAMS", 2, 2*time.Second), Aborted, 2100 * time.Millisecond},
		"unauthenticated":      {status.Error(codes.Unauthenticated, "expired"), Unauthenticated, 100 * time.Millisecond},
		"after ledger end":     {damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second), AfterLedgerEnd, 100 * time.Millisecond},
		"server's deadline":    {status.Error(codes.DeadlineExceeded, "slow"), TimedOut, 100 * time.Millisecond},
		"internal":             {status.Error(codes.Internal, "RST_STREAM"), Failed, 100 * time.Millisecond},
		"unknown":              {status.Error(codes.Unknown, "proxy"), Failed, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(3, 5, 8, 9)
				n.stream = func(turn int, s *serverStream) error {
					if turn == 0 {
						_ = s.tail(2)
						return c.err
					}
					return errGoOn
				}
				var met causes
				dropped := 0
				start := time.Now()
				got, err := read(Updates(t.Context(), Offset{}, n.updates, Options[*dynamicpb.Message]{
					OnReopen: met.add, DropToken: func() { dropped++ },
				}), 4)
				require.NoError(t, err)
				assert.Equal(t, []int64{3, 5, 8, 9}, got)
				assert.Equal(t, causes{c.cause}, met)
				begin := int64(5)
				if c.cause == AfterLedgerEnd {
					begin = 4 // with what was delivered last, by which the ledger is recognised
				}
				assert.Equal(t, []int64{0, begin}, n.begins, "it begins after what was delivered")
				assert.LessOrEqual(t, time.Since(start), c.within)
				assert.Equal(t, c.cause == Unauthenticated, dropped == 1, "a fresh token")
			})
		})
	}
}

func TestAStreamThatHasMovedIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var met causes
		turn := 0
		open := func(_ context.Context, begin Offset) (Receiver[*dynamicpb.Message], error) {
			turn++
			if turn == 1 {
				return &script{messages: []*dynamicpb.Message{transaction(1)}, err: &cantonlb.MovedError{From: "a", To: "b"}}, nil
			}
			return &script{messages: []*dynamicpb.Message{transaction(begin.Int64() + 1)}, err: io.EOF}, nil
		}
		got, err := read(Updates(t.Context(), Offset{}, open, Options[*dynamicpb.Message]{OnReopen: met.add}), 2)
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 2}, got)
		assert.Equal(t, causes{Moved}, met)
	})
}

// script is a stream of given messages, and its end.
type script struct {
	messages []*dynamicpb.Message
	err      error
}

func (s *script) Recv() (*dynamicpb.Message, error) {
	if len(s.messages) == 0 {
		return nil, s.err
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	return m, nil
}

// opens opens a script each time.
func opens(messages []*dynamicpb.Message, err error) Open[*dynamicpb.Message] {
	return func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
		return &script{messages: messages, err: err}, nil
	}
}

func TestWhatCannotPassEndsTheStream(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		cause Cause
		after time.Duration
	}{
		"pruned":               {damlError(codes.FailedPrecondition, "PARTICIPANT_PRUNED_DATA_ACCESSED", 9, 0), Pruned, 0},
		"permission denied":    {status.Error(codes.PermissionDenied, "no"), PermissionDenied, 0},
		"invalid":              {status.Error(codes.InvalidArgument, "no"), InvalidRequest, 0},
		"unauthenticated":      {status.Error(codes.Unauthenticated, "no"), Unauthenticated, 0},
		"internal":             {status.Error(codes.Internal, "no"), Failed, patience},
		"aborted, no delay":    {status.Error(codes.Aborted, "no"), Failed, patience},
		"not a status":         {errors.New("no"), Failed, patience},
		"message too large":    {status.Error(codes.ResourceExhausted, "larger than max"), Failed, patience},
		"precondition failed":  {status.Error(codes.FailedPrecondition, "no"), Failed, patience},
		"out of range, no end": {status.Error(codes.OutOfRange, "no"), Failed, patience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(3)
				n.stream = func(_ int, s *serverStream) error {
					if s.at == 0 {
						_ = s.tail(1)
					}
					return c.err
				}
				if status.Code(c.err) == codes.Unknown {
					n.stream = func(int, *serverStream) error { return status.Error(codes.Unknown, "no") }
				}
				start := time.Now()
				_, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{}), -1)
				var stopped *StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, c.cause, stopped.Cause)
				if status.Code(c.err) != codes.Unknown {
					assert.Equal(t, At(3), stopped.Last)
				}
				assert.NotEmpty(t, stopped.Advice())
				assert.ErrorContains(t, err, stopped.Advice())
				assert.Equal(t, status.Code(c.err), status.Code(errors.Unwrap(err)))
				assert.GreaterOrEqual(t, time.Since(start), c.after)
				assert.Less(t, time.Since(start), c.after+10*time.Second)
			})
		})
	}
}

// A method that has worked exists, however long the replicas are passive.
func TestAMethodThatIsNotImplementedIsGivenUpUnlessItHasWorked(t *testing.T) {
	for _, worked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			n.add(3)
			n.stream = func(turn int, s *serverStream) error {
				if worked && turn == 0 {
					_ = s.tail(1)
				}
				return status.Error(codes.Unimplemented, "no")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := read(Updates(ctx, At(0), n.updates, Options[*dynamicpb.Message]{}), -1)
			var stopped *StoppedError
			assert.Equal(t, !worked, errors.As(err, &stopped), err)
			assert.Equal(t, worked, errors.Is(err, context.DeadlineExceeded), err)
		})
	}
}

// A token that lives for six seconds ends the stream as often; the updates go on.
func TestTokensThatExpireCauseNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.stream = func(_ int, s *serverStream) error {
			expired := time.AfterFunc(6*time.Second, func() { n.change(func() {}) })
			defer expired.Stop()
			begun := time.Now()
			for time.Since(begun) < 6*time.Second {
				if err := s.tail(1); err != errGoOn { //nolint:errorlint // it is that very value
					return err
				}
			}
			return damlError(codes.Aborted, "ACCESS_TOKEN_EXPIRED", 2, time.Second)
		}
		stop := time.Now().Add(2 * time.Minute)
		go func() {
			for o := int64(1); time.Now().Before(stop); o++ {
				n.add(o)
				time.Sleep(20 * time.Millisecond)
			}
		}()
		ctx, cancel := context.WithDeadline(t.Context(), stop)
		defer cancel()
		var met causes
		last, silence, next := time.Now(), time.Duration(0), int64(1)
		for u, err := range Updates(ctx, At(0), n.updates, Options[*dynamicpb.Message]{OnReopen: met.add}) {
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			require.Equal(t, next, u.Offset.Int64())
			next++
			silence = max(silence, time.Since(last))
			last = time.Now()
		}
		assert.Len(t, met, 19)
		assert.Equal(t, TokenExpired, met[0])
		assert.Less(t, silence, 400*time.Millisecond)
		t.Logf("%d updates, longest silence %v", next-1, silence)
		time.Sleep(time.Second)
	})
}

func TestALedgerThatWasRewoundIsToldAfterAMinute(t *testing.T) {
	for name, c := range map[string]struct {
		now, want string
		noEnd     bool
	}{
		"restored":          {"participant::1", "the database of participant \"participant::1\" was restored", false},
		"other participant": {"participant::2", "\"participant::2\" answers in place of \"participant::1\"", false},
		"not known":         {"", "compare GetParticipantId", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(3, 5)
				n.stream = func(turn int, s *serverStream) error {
					if turn == 0 {
						_ = s.tail(2)
						time.Sleep(time.Second)
						n.change(func() { n.id, n.end, n.noEnd = c.now, 2, c.noEnd })
					}
					return damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second)
				}
				start := time.Now()
				_, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)}), -1)
				var rewound *RewoundError
				require.ErrorAs(t, err, &rewound)
				assert.Equal(t, At(5), rewound.Last)
				if !c.noEnd {
					assert.Equal(t, At(2), rewound.End)
				}
				assert.Equal(t, "participant::1", rewound.Was)
				assert.ErrorContains(t, err, c.want)
				assert.Equal(t, codes.OutOfRange, status.Code(errors.Unwrap(err)))
				assert.GreaterOrEqual(t, time.Since(start), time.Minute)
				assert.Less(t, time.Since(start), 70*time.Second)
			})
		})
	}
}

func TestALedgerThatCatchesUpGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3, 5)
		begun := time.Now()
		n.stream = func(int, *serverStream) error {
			if time.Since(begun) < 50*time.Second {
				return damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second)
			}
			return errGoOn
		}
		got, err := read(Updates(t.Context(), At(3), n.updates, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)}), 1)
		require.NoError(t, err)
		assert.Equal(t, []int64{5}, got)
	})
}

// An outage of any length is followed by its end at once, with pauses that have not grown much.
func TestAStreamIsBackSoonAfterAnOutage(t *testing.T) {
	for _, outage := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			n.add(3)
			begun := time.Now()
			n.stream = func(turn int, s *serverStream) error {
				if turn > 0 && time.Since(begun) < outage {
					return status.Error(codes.Unavailable, "gone")
				}
				if turn == 0 {
					_ = s.tail(1)
					n.add(5)
					return status.Error(codes.Unavailable, "gone")
				}
				return errGoOn
			}
			var pauses []time.Duration
			got, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{
				OnReopen: func(r Reopening) { pauses = append(pauses, r.Pause) },
			}), 2)
			require.NoError(t, err)
			assert.Equal(t, []int64{3, 5}, got)
			late := time.Since(begun) - outage
			assert.LessOrEqual(t, late, min(outage/5+150*time.Millisecond, 7500*time.Millisecond), "after %v", outage)
			for _, p := range pauses {
				assert.LessOrEqual(t, p, 7500*time.Millisecond)
				assert.Greater(t, p, time.Duration(0))
			}
		})
	}
}

// A server that closes each stream after one message is asked again at once, each time.
func TestProgressResetsThePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var want []int64
		for i := range int64(100) {
			n.add(i + 1)
			want = append(want, i+1)
		}
		n.stream = func(_ int, s *serverStream) error {
			_ = s.tail(1)
			return status.Error(codes.Unavailable, "gone")
		}
		var tries []int
		start := time.Now()
		got, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{
			OnReopen: func(r Reopening) { tries = append(tries, r.Try) },
		}), 100)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		for _, try := range tries {
			assert.Equal(t, 1, try)
		}
		assert.Less(t, time.Since(start), 8*time.Second)
	})
}

func TestUnauthenticatedAgainAfterProgressIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(1, 2, 3, 4)
		n.stream = func(_ int, s *serverStream) error {
			_ = s.tail(1)
			return status.Error(codes.Unauthenticated, "expired")
		}
		got, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{}), 4)
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 2, 3, 4}, got)
	})
}

func TestTheEndOfTheContextIsTheLastElement(t *testing.T) {
	for name, fail := range map[string]error{"waiting": nil, "in a pause": status.Error(codes.Unavailable, "gone")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(1)
				n.stream = func(int, *serverStream) error {
					if fail != nil {
						return fail
					}
					return errGoOn
				}
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("closing time"))
				defer cancel()
				elements := 0
				for _, err := range Updates(ctx, At(1), n.updates, Options[*dynamicpb.Message]{}) {
					elements++
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, "after offset 1")
					require.ErrorContains(t, err, "closing time")
					require.Equal(t, codes.DeadlineExceeded, status.Code(err))
				}
				assert.Equal(t, 1, elements)
			})
		})
	}
	for _, err := range Updates(canceled(), At(0), opens(nil, context.Canceled), Options[*dynamicpb.Message]{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestARangeEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end    int64
		breaks bool
		want   []int64
		opened int
	}{
		"with its last update":         {5, false, []int64{3, 5}, 1},
		"after its last update":        {7, false, []int64{3, 5}, 3},
		"where it broke at its end":    {5, true, []int64{3, 5}, 1},
		"where it broke before it":     {9, true, []int64{3, 5, 8, 9}, 2},
		"before it has begun":          {-1, false, nil, 0},
		"without an update in between": {2, false, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(3, 5, 8, 9, 11)
				n.stream = func(turn int, s *serverStream) error {
					if c.breaks && turn == 0 {
						_ = s.tail(2)
						return status.Error(codes.Unavailable, "gone")
					}
					return errGoOn
				}
				begin := At(0)
				end := c.end
				if end < 0 {
					begin, end = At(20), 20
				}
				got, err := read(Updates(t.Context(), begin, n.ranged(end), Options[*dynamicpb.Message]{
					Request: v2("GetUpdatesRequest", fields{"end_inclusive": end}), Node: NodeOf(n.conn),
				}), -1)
				require.NoError(t, err)
				assert.Equal(t, c.want, got)
				assert.Equal(t, c.opened, n.count(methodUpdates))
			})
		})
	}
}

// A server that closes streams while its ledger has not reached the end of the range has not ended it.
func TestARangeDoesNotEndBeforeTheLedgerHasReachedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		n.stream = func(turn int, _ *serverStream) error {
			if turn < 6 {
				return nil
			}
			n.add(5)
			return errGoOn
		}
		got, err := read(Updates(t.Context(), At(3), n.ranged(5), Options[*dynamicpb.Message]{End: At(5), Node: NodeOf(n.conn)}), -1)
		require.NoError(t, err)
		assert.Equal(t, []int64{5}, got)
	})
}

// Nor has a server that closes streams while nobody answers for its ledger end, as in a rollout.
func TestARangeDoesNotEndWhileTheLedgerEndIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3, 5)
		away := true
		n.stream = func(turn int, _ *serverStream) error {
			if turn < 6 {
				return nil
			}
			away = false
			return errGoOn
		}
		node := NodeOf(n.conn)
		ask := node.LedgerEnd
		node.LedgerEnd = func(ctx context.Context) (Offset, error) {
			if away {
				return Offset{}, status.Error(codes.Unavailable, "rollout")
			}
			return ask(ctx)
		}
		got, err := read(Updates(t.Context(), At(3), n.ranged(5), Options[*dynamicpb.Message]{End: At(5), Node: node}), -1)
		require.NoError(t, err)
		assert.Equal(t, []int64{5}, got)
	})
}

func TestASecondLoopGoesOnWhereTheFirstStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(1, 2, 3, 4, 5)
		seq := Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{})
		first, err := read(seq, 2)
		require.NoError(t, err)
		second, err := read(seq, 2)
		require.NoError(t, err)
		assert.Equal(t, []int64{1, 2, 3, 4}, append(first, second...))

		assert.PanicsWithValue(t, "oh", func() {
			for _, err := range seq {
				panic(errors.Join(err, errors.New("oh")).Error())
			}
		})
		third, err := read(seq, 1)
		require.NoError(t, err)
		assert.Equal(t, []int64{5}, third, "what the body has not finished comes again")
	})
}

func TestTwoLoopsAtOnceAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(1, 2)
		seq := Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{})
		for _, err := range seq {
			require.NoError(t, err)
			for _, err := range seq {
				var stopped *StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, Misused, stopped.Cause)
			}
			break
		}
		got, err := read(seq, 1)
		require.NoError(t, err)
		assert.Equal(t, []int64{2}, got)
	})
}

// The checkpoints of an idle ledger move the place where the stream goes on, or it would fall behind
// what is pruned.
func TestCheckpointsMoveTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		n.stream = func(turn int, s *serverStream) error {
			_ = s.tail(1)
			if turn == 0 {
				for _, o := range []int64{3, 7, 7, 90} {
					_ = s.SendMsg(checkpoint(o))
				}
				n.add(95)
				return nil
			}
			return errGoOn
		}
		var at []int64
		inBody := false
		var monitor Monitor
		for u, err := range Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{
			Monitor: &monitor,
			OnCheckpoint: func(_ context.Context, o Offset) error {
				assert.False(t, inBody, "after the body has returned")
				at = append(at, o.Int64())
				return nil
			},
		}) {
			inBody = true
			require.NoError(t, err)
			assert.Equal(t, u.Offset != At(3) && u.Offset != At(95) || u.Checkpoint, u.Checkpoint)
			if u.Offset == At(95) {
				break
			}
			inBody = false
		}
		assert.Equal(t, []int64{3, 7, 7, 90}, at)
		assert.Equal(t, []int64{0, 90}, n.begins)
		s := monitor.Status()
		assert.EqualValues(t, 2, s.Updates)
		assert.EqualValues(t, 4, s.Checkpoints)
	})
}

func TestMonitorShowsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		recorded := time.Now().UTC()
		at := fields{"seconds": recorded.Unix(), "nanos": recorded.Nanosecond()}
		time.Sleep(3 * time.Second)
		n.change(func() {
			n.log = append(n.log, entry{7, v2("GetUpdatesResponse", fields{"transaction": fields{"offset": 7, "record_time": at}})})
			n.end = 7
		})
		n.stream = func(turn int, s *serverStream) error {
			if turn == 0 {
				return status.Error(codes.Unavailable, "gone")
			}
			return errGoOn
		}
		var monitor Monitor
		for _, err := range Updates(t.Context(), At(2), n.updates, Options[*dynamicpb.Message]{Monitor: &monitor}) {
			require.NoError(t, err)
			s := monitor.Status()
			assert.True(t, s.Running && s.Open)
			assert.Equal(t, At(2), s.Last, "the body has not returned yet")
			time.Sleep(time.Minute) // which is no delay of the ledger's
			break
		}
		s := monitor.Status()
		assert.False(t, s.Running || s.Open)
		assert.Equal(t, At(7), s.Last)
		assert.Equal(t, recorded, s.RecordTime)
		assert.Equal(t, s.LastAt.Sub(recorded)-time.Minute, s.Lag)
		assert.GreaterOrEqual(t, s.Lag, 3*time.Second)
		assert.Equal(t, map[Cause]uint64{Unavailable: 1}, s.Reopened)
		assert.Equal(t, Unavailable, s.LastReopening.Cause)
		assert.False(t, s.LastReopeningAt.IsZero())
		s.Reopened[Failed] = 3
		assert.Len(t, monitor.Status().Reopened, 1)
		assert.Equal(t, Status{}, (*Monitor)(nil).Status())
	})
}

func ExampleUpdates_offsets() {
	for u, err := range Updates(context.Background(), At(0), opens([]*dynamicpb.Message{transaction(3), checkpoint(9)}, io.EOF),
		Options[*dynamicpb.Message]{End: At(9)}) {
		fmt.Println(u.Offset, u.Checkpoint, err)
	}
	// Output:
	// 3 false <nil>
	// 9 true <nil>
}
