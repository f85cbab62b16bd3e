package ledger

import (
	"context"
	"errors"
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
)

// contracts opens a stream of active contracts.
func (n *fakeNode) contracts(ctx context.Context, at Offset) (Receiver[*dynamicpb.Message], error) {
	return call(ctx, n.conn, methodContracts, v2("GetActiveContractsRequest", fields{"active_at_offset": at.Int64()}), apiV2+"GetActiveContractsResponse")
}

// contract is an active contract.
func contract(name string) *dynamicpb.Message {
	return v2("GetActiveContractsResponse", fields{"workflow_id": name})
}

// collect makes a consumer that keeps the contracts of the last try.
func collect(into *[]string) func(iter.Seq2[*dynamicpb.Message, error]) error {
	return func(contracts iter.Seq2[*dynamicpb.Message, error]) error {
		*into = nil
		for c, err := range contracts {
			if err != nil {
				return err
			}
			*into = append(*into, textAt(c, "workflow_id"))
		}
		return nil
	}
}

// A snapshot and the updates after it are the ledger, without a gap, although the snapshot breaks, the
// ledger goes on meanwhile, and its end cannot be asked for at first.
func TestASnapshotIsFollowedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3, 5)
		n.noEnd = true
		time.AfterFunc(3*time.Second, func() { n.change(func() { n.noEnd = false }) })
		tries := 0
		n.stream = func(_ int, s *serverStream) error {
			if s.of != "contracts" {
				return errGoOn
			}
			assert.EqualValues(t, 5, s.at, "at the same offset each time")
			tries++
			_ = s.SendMsg(contract("a"))
			n.add(n.ledgerEnd() + 1)
			switch tries {
			case 1:
				return status.Error(codes.Unavailable, "gone")
			case 2:
				return damlError(codes.Aborted, "ACCESS_TOKEN_EXPIRED", 2, time.Second)
			}
			_ = s.SendMsg(contract("b"))
			return nil
		}
		var met causes
		var snapshot []string
		at, err := Snapshot(t.Context(), n.contracts, collect(&snapshot), SnapshotOptions{Node: NodeOf(n.conn), OnReopen: met.add})
		require.NoError(t, err)
		assert.Equal(t, At(5), at)
		assert.Equal(t, []string{"a", "b"}, snapshot)
		assert.Equal(t, causes{Unavailable, TokenExpired}, met[len(met)-2:])
		got, err := read(Updates(t.Context(), at, n.updates, Options[*dynamicpb.Message]{}), 3)
		require.NoError(t, err)
		assert.Equal(t, []int64{6, 7, 8}, got)
	})
}

func TestASnapshotOfV1TellsItsOffset(t *testing.T) {
	open := opens([]*dynamicpb.Message{
		v1("GetActiveContractsResponse", fields{"workflow_id": "a"}), v1("GetActiveContractsResponse", fields{"offset": "0a"}),
	}, io.EOF)
	var snapshot []string
	at, err := Snapshot(t.Context(), open, collect(&snapshot), SnapshotOptions{})
	require.NoError(t, err)
	assert.Equal(t, "0a", at.String())
	assert.Equal(t, []string{"a", ""}, snapshot)
}

func TestWhatEndsASnapshot(t *testing.T) {
	away := errors.New("database away")
	for name, c := range map[string]struct {
		open    Open[*dynamicpb.Message]
		consume func(iter.Seq2[*dynamicpb.Message, error]) error
		cause   Cause
		err     error
	}{
		"pruned":  {opens(nil, damlError(codes.FailedPrecondition, "PARTICIPANT_PRUNED_DATA_ACCESSED", 9, 0)), nil, Pruned, nil},
		"denied":  {opens(nil, status.Error(codes.PermissionDenied, "no")), nil, PermissionDenied, nil},
		"no open": {nil, nil, Misused, nil},
		"nil receiver": {func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			return nil, nil //nolint:nilnil // that is what is tested
		}, nil, Misused, nil},
		"nil message": {opens([]*dynamicpb.Message{nil}, io.EOF), nil, BadMessage, nil},
		"the consumer's own error": {
			opens([]*dynamicpb.Message{contract("a")}, io.EOF),
			func(iter.Seq2[*dynamicpb.Message, error]) error { return away }, "", away,
		},
		"the consumer's own error as it broke": {
			opens(nil, status.Error(codes.Unavailable, "gone")),
			func(s iter.Seq2[*dynamicpb.Message, error]) error {
				for _, err := range s {
					assert.Error(t, err)
				}
				return away
			}, "", away,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var snapshot []string
			if c.consume == nil {
				c.consume = collect(&snapshot)
			}
			at, err := Snapshot(t.Context(), c.open, c.consume, SnapshotOptions{At: At(7)})
			assert.Equal(t, At(7), at)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			var stopped *StoppedError
			require.ErrorAs(t, err, &stopped)
			assert.Equal(t, c.cause, stopped.Cause)
			assert.Equal(t, At(7), stopped.Last)
		})
	}
}

// A consumer that says nothing of the break does not make a snapshot whole.
func TestASnapshotThatBrokeIsNotWholeWhateverItsConsumerSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		open := func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
			tries++
			if tries < 3 {
				return &script{err: status.Error(codes.Unavailable, "gone")}, nil
			}
			return &script{err: io.EOF}, nil
		}
		ended := 0
		var broken error
		_, err := Snapshot(t.Context(), open, func(contracts iter.Seq2[*dynamicpb.Message, error]) error {
			for _, err := range contracts {
				broken = err
			}
			for _, err := range contracts {
				t.Error("it is over", err)
			}
			ended++
			return nil
		}, SnapshotOptions{At: At(7)})
		require.NoError(t, err)
		assert.Equal(t, 3, ended)
		assert.Equal(t, codes.Unavailable, status.Code(broken))
	})
}

// A node that does not answer for its ledger end is asked again.
func TestASnapshotAsksAgainForALedgerEndThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		node := Node{LedgerEnd: func(ctx context.Context) (Offset, error) {
			if asked++; asked == 1 {
				<-ctx.Done()
				return Offset{}, ctx.Err()
			}
			return At(7), nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var snapshot []string
		at, err := Snapshot(ctx, opens([]*dynamicpb.Message{contract("a")}, io.EOF), collect(&snapshot), SnapshotOptions{Node: node})
		require.NoError(t, err)
		assert.Equal(t, At(7), at)
		assert.Equal(t, 2, asked)
	})
}

// slow is a snapshot of so many contracts, one each second, which breaks off as often as breaks says, each
// time after so many.
func slow(contracts int, breaks ...int) Open[*dynamicpb.Message] {
	return func(context.Context, Offset) (Receiver[*dynamicpb.Message], error) {
		n, end := contracts, io.EOF
		if len(breaks) > 0 {
			n, end, breaks = breaks[0], status.Error(codes.Internal, "stream terminated by RST_STREAM"), breaks[1:]
		}
		return receiverFunc(func() (*dynamicpb.Message, error) {
			time.Sleep(time.Second)
			if n--; n < 0 {
				return nil, end
			}
			return contract("a"), nil
		}), nil
	}
}

type receiverFunc func() (*dynamicpb.Message, error)

func (f receiverFunc) Recv() (*dynamicpb.Message, error) { return f() }

// Two errors that are minutes apart, since a snapshot takes minutes, say nothing of an error that lasts.
func TestALongSnapshotOutlastsErrorsThatComeNowAndThen(t *testing.T) {
	for name, c := range map[string]struct {
		breaks []int
		whole  bool
	}{
		"two, the second one earlier": {[]int{400, 100}, true},
		"each one further":            {[]int{70, 80, 90, 100, 110}, true},
		"further again":               {[]int{400, 100, 450, 100}, true},
		"at the same place":           {[]int{100, 100, 100}, false},
		"never further":               {[]int{400, 100, 300}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var snapshot []string
				_, err := Snapshot(t.Context(), slow(500, c.breaks...), collect(&snapshot), SnapshotOptions{At: At(7)})
				if c.whole {
					require.NoError(t, err)
					assert.Len(t, snapshot, 500)
					return
				}
				var stopped *StoppedError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, Failed, stopped.Cause)
			})
		})
	}
}

func TestASnapshotMayBeLeftEarly(t *testing.T) {
	at, err := Snapshot(t.Context(), opens([]*dynamicpb.Message{contract("a"), contract("b")}, io.EOF),
		func(contracts iter.Seq2[*dynamicpb.Message, error]) error {
			for _, err := range contracts {
				return err
			}
			return errors.New("there are none")
		}, SnapshotOptions{At: At(7)})
	require.NoError(t, err)
	assert.Equal(t, At(7), at)
}

func TestASnapshotEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []SnapshotOptions{{At: At(7)}, {Node: Node{LedgerEnd: func(context.Context) (Offset, error) {
			return Offset{}, status.Error(codes.Unavailable, "gone")
		}}}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var snapshot []string
			_, err := Snapshot(ctx, opens(nil, status.Error(codes.Unavailable, "gone")), collect(&snapshot), o)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "the last error: ")
			cancel()
		}
	})
}
