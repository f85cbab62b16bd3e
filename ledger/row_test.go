package ledger

import (
	"context"
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

// An idle ledger sends nothing, so a stream that a proxy cuts every few minutes brings no message between
// its errors.
func TestAnIdleStreamThatIsCutNowAndThenGoesOn(t *testing.T) {
	for name, err := range map[string]error{
		"internal":        status.Error(codes.Internal, "RST_STREAM"),
		"unknown":         status.Error(codes.Unknown, "proxy"),
		"unauthenticated": status.Error(codes.Unauthenticated, "expired"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.stream = func(turn int, s *serverStream) error {
					if turn == 5 {
						n.add(3)
						return errGoOn
					}
					select {
					case <-time.After(time.Minute):
					case <-s.Context().Done():
					}
					return err
				}
				got, err := read(Updates(t.Context(), Offset{}, n.updates, Options[*dynamicpb.Message]{}), 1)
				require.NoError(t, err)
				assert.Equal(t, []int64{3}, got)
			})
		})
	}
}

// A server that sends its position whenever the stream is opened, and no more, brings the stream nowhere.
func TestACheckpointOfTheSamePositionIsNoProgress(t *testing.T) {
	for name, c := range map[string]struct {
		err error
		end Offset
	}{
		"an error that lasts":  {status.Error(codes.Internal, "poison"), Offset{}},
		"the end of the range": {nil, At(10)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.pass(20)
				n.stream = func(_ int, s *serverStream) error {
					if err := s.SendMsg(checkpoint(7)); err != nil {
						return err
					}
					return c.err
				}
				var met causes
				_, err := read(Updates(minutes(t, 10), At(7), n.updates, Options[*dynamicpb.Message]{
					Node: Node{LedgerEnd: NodeOf(n.conn).LedgerEnd}, End: c.end, OnReopen: met.add,
				}), 1)
				assert.Less(t, len(met), 100)
				if c.err == nil {
					require.NoError(t, err)
					return
				}
				var stopped *StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, Failed, stopped.Cause)
			})
		})
	}
}

// Nothing comes over a channel that the program has closed. Open may use another one for a while.
func TestAStreamEndsAMinuteAfterItsChannelWasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		time.AfterFunc(time.Second, func() { assert.NoError(t, n.conn.Close()) })
		start := time.Now()
		_, err := read(Updates(minutes(t, 10), At(0), n.updates, Options[*dynamicpb.Message]{}), 1)
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped)
		require.ErrorContains(t, err, "closing")
		assert.Less(t, time.Since(start), 80*time.Second)
	})
	assert.Equal(t, reaction{cause: Failed, response: reopenWhile}, react(cantonlb.ErrShutdown))
}

func TestANodeIsNotAskedForItsEndMoreThanOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.delay = time.Millisecond
		_, met := within(t, n, At(0), time.Minute, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)})
		assert.NotContains(t, met, Silent)
		assert.LessOrEqual(t, n.count(methodLedgerEnd), 60)
	})
}

// errCut is the error of a connection that ended in the midst of a message, as other clients than grpc's
// return it. It is no end of a stream.
var errCut = fmt.Errorf("read the frame's header: %w", io.EOF)

func TestAConnectionThatWasCutIsNoEndOfARange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := 0
		var met causes
		open := func(_ context.Context, begin Offset) (Receiver[*dynamicpb.Message], error) {
			switch turn++; {
			case turn <= 5:
				return &script{err: errCut}, nil
			case turn <= 10:
				return nil, io.EOF // nothing was opened
			}
			return &script{messages: []*dynamicpb.Message{transaction(begin.Int64() + 1)}, err: io.EOF}, nil
		}
		got, err := read(Updates(t.Context(), At(4), open, Options[*dynamicpb.Message]{End: At(6), OnReopen: met.add}), -1)
		require.NoError(t, err)
		assert.Equal(t, []int64{5, 6}, got)
		assert.Equal(t, Unavailable, met[0])
	})
}

func TestAConnectionThatWasCutIsNoEndOfASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := 0
		open := func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			all := []*dynamicpb.Message{transaction(1), transaction(2)}
			if turn++; turn == 1 {
				return &script{messages: all[:1], err: errCut}, nil
			}
			return &script{messages: all, err: io.EOF}, nil
		}
		contracts := 0
		at, err := Snapshot(t.Context(), open, func(seq iter.Seq2[*dynamicpb.Message, error]) error {
			contracts = 0
			for _, err := range seq {
				if err != nil {
					return err
				}
				contracts++
			}
			return nil
		}, SnapshotOptions{At: At(7)})
		require.NoError(t, err)
		assert.Equal(t, At(7), at)
		assert.Equal(t, 2, contracts)
	})
}
