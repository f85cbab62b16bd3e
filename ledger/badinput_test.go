package ledger

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

func TestOffsetsThatGoBackwardsEndTheStream(t *testing.T) {
	for name, c := range map[string]struct {
		messages []*dynamicpb.Message
		got      int64
	}{
		"update":             {[]*dynamicpb.Message{transaction(5), transaction(4)}, 4},
		"checkpoint":         {[]*dynamicpb.Message{transaction(5), checkpoint(4)}, 4},
		"at once":            {[]*dynamicpb.Message{transaction(1)}, 1},
		"after a checkpoint": {[]*dynamicpb.Message{checkpoint(5), transaction(4)}, 4},
		"several at once": {[]*dynamicpb.Message{
			v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "5"}}}),
			v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "4"}, {"offset": "6"}}}),
		}, 4},
		"some of several again": {[]*dynamicpb.Message{
			v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "5"}}}),
			v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "5"}, {"offset": "6"}}}),
		}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			var backwards *BackwardsError
			_, err := read(Updates(t.Context(), At(2), opens(c.messages, io.EOF), Options[*dynamicpb.Message]{}), -1)
			require.ErrorAs(t, err, &backwards)
			assert.Equal(t, At(c.got), backwards.Got)
			assert.ErrorContains(t, err, "goes backwards")
		})
	}
}

func TestOffsetsMayJump(t *testing.T) {
	got, err := read(Updates(t.Context(), At(0), opens([]*dynamicpb.Message{transaction(1), transaction(1 << 60)}, io.EOF),
		Options[*dynamicpb.Message]{}), 2)
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 1 << 60}, got)
}

func TestAnUpdateThatComesTwiceIsDeliveredOnce(t *testing.T) {
	var monitor Monitor
	got, err := read(Updates(t.Context(), At(1), opens([]*dynamicpb.Message{
		transaction(1), transaction(2), transaction(2), checkpoint(2), transaction(2), checkpoint(2), transaction(3),
	}, io.EOF), Options[*dynamicpb.Message]{Monitor: &monitor}), 2)
	require.NoError(t, err)
	assert.Equal(t, []int64{2, 3}, got)
	assert.EqualValues(t, 3, monitor.Status().Repeated)
	assert.EqualValues(t, 2, monitor.Status().Checkpoints)
}

func TestAMessageWithoutAnOffsetEndsTheStream(t *testing.T) {
	for want, m := range map[string]*dynamicpb.Message{
		"none of transaction.offset, reassignment.offset, topology_transaction.offset, offset_checkpoint.offset": v2("GetUpdatesResponse", nil),
		"transaction.offset is not set": v2("GetUpdatesResponse", fields{"transaction": fields{"update_id": "x"}}),
		"offset -3: want":               v2("GetUpdatesResponse", fields{"transaction": fields{"offset": int64(-3)}}),
		"transactions.offset goes from 5 to 5": v1("GetTransactionsResponse", fields{
			"transactions": []fields{{"offset": "5"}, {"offset": "5"}},
		}),
		"checkpoint.offset.absolute": v1("CompletionStreamResponse", fields{"completions": []fields{{"command_id": "c"}}}),
		"it is not known where":      v2("GetLedgerEndResponse", fields{"offset": 3}),
		"letters, digits":            v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "a b"}}}),
		"nil message":                nil,
	} {
		_, err := read(Updates(t.Context(), At(2), opens([]*dynamicpb.Message{m}, io.EOF), Options[*dynamicpb.Message]{}), -1)
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped, want)
		assert.Equal(t, BadMessage, stopped.Cause)
		assert.Equal(t, At(2), stopped.Last)
		assert.ErrorContains(t, err, want)
	}
}

func TestMistakesOfTheCallerAreToldAtOnce(t *testing.T) {
	for want, seq := range map[string]func(func(Update[*dynamicpb.Message], error) bool){
		"nil receiver": Updates(t.Context(), At(2), func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			return nil, nil //nolint:nilnil // that is what is tested
		}, Options[*dynamicpb.Message]{}),
		"nil receiver and": Updates(t.Context(), At(2), func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			return (*script)(nil), nil
		}, Options[*dynamicpb.Message]{}),
		"open is nil": Updates[*dynamicpb.Message](t.Context(), At(2), nil, Options[*dynamicpb.Message]{}),
		"descending_order": Updates(t.Context(), At(2), opens(nil, io.EOF), Options[*dynamicpb.Message]{
			Request: v2("GetUpdatesRequest", fields{"descending_order": true}),
		}),
	} {
		_, err := read(seq, -1)
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped, want)
		assert.Equal(t, Misused, stopped.Cause)
		assert.ErrorContains(t, err, want)
	}
	_, err := read(Updates(t.Context(), At(0), func(context.Context, Offset) (Receiver[int], error) { return numbers{1}, nil },
		Options[int]{}), -1)
	assert.ErrorContains(t, err, "messages of type int are no protobuf messages: set Options.Position")
}

// numbers is a stream of one number for ever.
type numbers []int

func (n numbers) Recv() (int, error) {
	if len(n) == 0 {
		return 0, io.EOF
	}
	return n[0], nil
}

func TestOtherMessagesHaveTheirPositionByAFunction(t *testing.T) {
	opened := 0
	open := func(_ context.Context, begin Offset) (Receiver[int], error) {
		opened++
		return numbers{int(begin.Int64()) + 1}, nil
	}
	position := func(n int) (Offset, bool, error) {
		if n > 3 {
			return Offset{}, false, errors.New("too far")
		}
		return At(int64(n)), n == 2, nil
	}
	var at []int64
	for begin := range int64(3) {
		for u, err := range Updates(t.Context(), At(begin), open, Options[int]{Position: position}) {
			require.NoError(t, err)
			at = append(at, u.Offset.Int64())
			assert.Equal(t, u.Msg == 2, u.Checkpoint)
			break
		}
	}
	assert.Equal(t, []int64{1, 2, 3}, at)
	_, err := read(Updates(t.Context(), At(3), open, Options[int]{Position: position}), -1)
	assert.ErrorContains(t, err, "too far")
	_, err = read(Updates(t.Context(), At(3), open, Options[int]{Position: func(int) (Offset, bool, error) { return Offset{}, false, nil }}), -1)
	assert.ErrorContains(t, err, "Options.Position has returned no offset")
}

func TestAnInterfaceOfMessagesIsRead(t *testing.T) {
	open := func(context.Context, Offset) (Receiver[proto.Message], error) { return anyMessages{}, nil }
	for u, err := range Updates(t.Context(), At(0), open, Options[proto.Message]{Node: Node{
		LedgerEnd: func(context.Context) (Offset, error) { return At(3), nil },
	}}) {
		require.NoError(t, err)
		assert.Equal(t, At(3), u.Offset)
		break
	}
}

type anyMessages struct{}

func (anyMessages) Recv() (proto.Message, error) { return transaction(3), nil }

func TestACheckpointThatCannotBeStoredEndsTheStream(t *testing.T) {
	full := errors.New("disk full")
	opened := Updates(t.Context(), At(0), opens([]*dynamicpb.Message{transaction(3), checkpoint(5), transaction(6)}, io.EOF),
		Options[*dynamicpb.Message]{OnCheckpoint: func(context.Context, Offset) error { return full }})
	got, err := read(opened, -1)
	assert.Equal(t, []int64{3}, got)
	var stopped *StoppedError
	require.ErrorAs(t, err, &stopped)
	assert.Equal(t, CheckpointFailed, stopped.Cause)
	assert.Equal(t, At(3), stopped.Last)
	require.ErrorIs(t, err, full)
}

// A callback that blocks holds the loop, as the body does; it is no silence, and the context ends it.
func TestACheckpointThatBlocksIsEndedByTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.change(func() { n.log, n.end = []entry{{5, checkpoint(5)}}, 5 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := read(Updates(ctx, At(0), n.updates, Options[*dynamicpb.Message]{
			Node: NodeOf(n.conn),
			OnCheckpoint: func(ctx context.Context, _ Offset) error {
				<-ctx.Done()
				return ctx.Err()
			},
		}), -1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, n.count(methodUpdates))
	})
}

// Breaking out of the loop ends the stream at the server.
func TestABrokenLoopLeavesNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(1)
		gone := make(chan struct{})
		n.stream = func(_ int, s *serverStream) error {
			_ = s.tail(1)
			<-s.Context().Done()
			close(gone)
			return s.Context().Err()
		}
		_, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)}), 1)
		require.NoError(t, err)
		<-gone
	})
}

func TestAnErrorOfOpenIsAnErrorOfTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		open := func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			tries++
			if tries < 5 {
				return nil, status.Error(codes.Unavailable, "gone")
			}
			return nil, status.Error(codes.PermissionDenied, "no")
		}
		_, err := read(Updates(t.Context(), At(4), open, Options[*dynamicpb.Message]{}), -1)
		var stopped *StoppedError
		require.ErrorAs(t, err, &stopped)
		assert.Equal(t, PermissionDenied, stopped.Cause)
		assert.Equal(t, 5, tries)
	})
}

func TestARangeOfV1EndsByItsRequest(t *testing.T) {
	message := v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "0a"}, {"offset": "0b"}}})
	empty := v1("GetTransactionsResponse", nil)
	n := 0
	for u, err := range Updates(t.Context(), At(0), opens([]*dynamicpb.Message{empty, message}, io.EOF), Options[*dynamicpb.Message]{
		Request: v1("GetTransactionsRequest", fields{"end": fields{"absolute": "0b"}}),
	}) {
		require.NoError(t, err)
		assert.Equal(t, n == 0, u.Checkpoint, "an empty message says nothing")
		n++
	}
	assert.Equal(t, 2, n)
}
