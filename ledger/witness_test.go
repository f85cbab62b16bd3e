package ledger

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/dynamicpb"
)

// other is another update than transaction returns for the offset.
func other(offset int64) entry {
	return entry{offset, v2("GetUpdatesResponse", fields{"transaction": fields{"offset": offset, "update_id": "another"}})}
}

// restore replaces the ledger, as a backup does.
func (n *fakeNode) restore(log ...entry) {
	n.change(func() { n.log, n.end = log, log[len(log)-1].offset })
}

// A ledger that was too short and has caught up is the same one, which goes on, or another one, whose
// updates up to that offset were never seen.
func TestALedgerThatWasTooShortIsRecognised(t *testing.T) {
	same := func(offsets ...int64) (log []entry) {
		for _, o := range offsets {
			log = append(log, entry{o, transaction(o)})
		}
		return log
	}
	mark := entry{6, checkpoint(6)}
	for name, c := range map[string]struct {
		short, long []entry
		want        []int64 // after what was read; nil if the ledger is another one
		problem     string
	}{
		"the same":                    {same(3), same(3, 5, 7, 9), []int64{7, 9}, ""},
		"the same, with a checkpoint": {same(3), append(same(3, 5), mark, same(7)[0]), []int64{7}, ""},
		"the same, and idle":          {same(3, 5), same(3, 5, 7), []int64{7}, ""},
		"another update there":        {same(3), append(same(3), other(5), same(7)[0]), nil, `update "update-5" is no longer at offset 5`},
		"another update before":       {same(3), append(same(3), other(4), same(7)[0]), nil, `update "update-5" is no longer at offset 5`},
		"another update after":        {same(3), append(same(3, 5), other(6), same(7)[0]), nil, "an update that was not there is at offset 6"},
		"a checkpoint there":          {same(3), append(same(3), mark, same(7)[0]), nil, `update "update-5" is no longer at offset 5`},
		"a checkpoint in its place":   {same(3), append(same(3), entry{5, checkpoint(5)}, same(7)[0]), nil, `update "update-5" is no longer at offset 5`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.restore(append(same(3, 5), mark)...)
				n.stream = func(turn int, s *serverStream) error {
					if turn == 0 {
						_ = s.tail(3)
						n.restore(c.short...)
						time.AfterFunc(10*time.Second, func() { n.restore(c.long...) })
					}
					if n.ledgerEnd() < s.at {
						return damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second)
					}
					return errGoOn
				}
				var got []int64
				for u, err := range Updates(minutes(t, 5), At(0), n.updates, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)}) {
					if err != nil {
						var rewound *RewoundError
						require.ErrorAs(t, err, &rewound)
						assert.Empty(t, c.want)
						assert.Equal(t, At(6), rewound.Last)
						assert.ErrorContains(t, err, c.problem)
						assert.ErrorContains(t, err, "was restored")
						break
					}
					got = append(got, u.Offset.Int64())
					if len(got) == 3+len(c.want) && c.want != nil {
						break
					}
				}
				assert.Equal(t, append([]int64{3, 5, 6}, c.want...), got, "nothing is delivered twice, or of another ledger")
			})
		})
	}
}

// Where the update is pruned by which the ledger would be recognised, the stream goes on as before.
func TestALedgerWhoseWitnessIsPrunedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3, 5)
		n.stream = func(turn int, s *serverStream) error {
			switch {
			case turn == 0:
				_ = s.tail(2)
				return damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second)
			case s.at < 5:
				return damlError(codes.FailedPrecondition, "PARTICIPANT_PRUNED_DATA_ACCESSED", 9, 0)
			}
			return errGoOn
		}
		time.AfterFunc(time.Second, func() { n.add(7) })
		got, err := read(Updates(minutes(t, 5), At(0), n.updates, Options[*dynamicpb.Message]{}), 3)
		require.NoError(t, err)
		assert.Equal(t, []int64{3, 5, 7}, got)
		assert.Equal(t, []int64{0, 4, 5}, n.begins)
	})
}
