package ledger

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The errors of an earlier loop, and the time since, do not count against a later one.
func TestALaterLoopHasAllItsPatience(t *testing.T) {
	for name, err := range map[string]error{
		"internal":        status.Error(codes.Internal, "poison"),
		"unauthenticated": status.Error(codes.Unauthenticated, "expired"),
		"rewound":         damlError(codes.OutOfRange, idAfterEnd, 12, 0),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				failed := 0
				n.stream = func(int, *serverStream) error {
					if failed++; n.ledgerEnd() == 0 {
						return err
					}
					return errGoOn
				}
				updates := Updates(t.Context(), Offset{}, n.updates, Options[*dynamicpb.Message]{})
				_, err := read(updates, 1)
				require.Error(t, err)
				time.Sleep(time.Hour)
				time.AfterFunc(10*time.Millisecond, func() { n.add(3) })
				got, err := read(updates, 1)
				require.NoError(t, err)
				assert.Equal(t, []int64{3}, got)
			})
		})
	}
}

// A passive replica answers with UNIMPLEMENTED for as long as it is passive.
func TestASnapshotWhoseMethodHasWorkedWaitsForTheReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		passive := time.Now().Add(5 * time.Minute)
		n.stream = func(turn int, s *serverStream) error {
			if turn > 0 && time.Now().Before(passive) {
				return status.Error(codes.Unimplemented, "passive")
			}
			_ = s.SendMsg(contract("a"))
			if turn == 0 {
				return status.Error(codes.Unavailable, "gone")
			}
			return nil
		}
		var got []string
		_, err := Snapshot(t.Context(), n.contracts, collect(&got), SnapshotOptions{At: At(3)})
		require.NoError(t, err)
		assert.Equal(t, []string{"a"}, got)
	})
}

func TestAStreamThatHasEndedIsNotShownAsOpen(t *testing.T) {
	var monitor Monitor
	bad := []*dynamicpb.Message{transaction(3), v2("GetUpdatesResponse", nil)}
	for _, err := range Updates(t.Context(), At(0), opens(bad, io.EOF), Options[*dynamicpb.Message]{Monitor: &monitor}) {
		assert.Equal(t, err == nil, monitor.Status().Open)
		assert.True(t, monitor.Status().Running)
	}
	assert.EqualValues(t, 1, monitor.Status().Updates)
}

// A range whose end the request does not have, or has elsewhere, would end before or after what is sent.
func TestARangeWithTwoEndsIsRefused(t *testing.T) {
	for name, o := range map[string]Options[*dynamicpb.Message]{
		"another end":  {End: At(100), Request: v2("GetUpdatesRequest", fields{"end_inclusive": 50})},
		"a ledger end": {Request: v1("GetTransactionsRequest", fields{"end": fields{"boundary": 1}})},
		"a beginning":  {Request: v1("GetTransactionsRequest", fields{"end": fields{"boundary": 0}})},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := read(Updates(ctx, At(0), opens(nil, io.EOF), o), 1)
			var stopped *StoppedError
			require.ErrorAs(t, err, &stopped)
			assert.Equal(t, Misused, stopped.Cause)
		})
	}
}

func TestALedgerEndThatCannotBeReadIsNoEndOfAStream(t *testing.T) {
	s := &Submitter{Node: Node{LedgerEnd: func(context.Context) (Offset, error) {
		return Offset{}, status.Error(codes.PermissionDenied, "no")
	}}}
	_, err := s.After(t.Context())
	require.ErrorContains(t, err, "ledger: the ledger end cannot be read: ")
	assert.Equal(t, codes.PermissionDenied, codeOf(err))
}
