package ledger

import (
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
