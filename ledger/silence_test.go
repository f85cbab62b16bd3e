package ledger

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/dynamicpb"
)

// within reads updates for a time of the ledger, and returns what was met.
func within(t *testing.T, n *fakeNode, begin Offset, d time.Duration, o Options[*dynamicpb.Message]) (offsets []int64, met causes) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	o.OnReopen = met.add
	offsets, err := read(Updates(ctx, begin, n.updates, o), -1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	return offsets, met
}

func TestAQuietLedgerForAnHourReopensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		var monitor Monitor
		got, met := within(t, n, At(0), time.Hour, Options[*dynamicpb.Message]{Node: NodeOf(n.conn), Monitor: &monitor})
		assert.Equal(t, []int64{3}, got)
		assert.Empty(t, met)
		assert.Equal(t, 1, n.count(methodUpdates))
		assert.Equal(t, 48, n.count(methodLedgerEnd), "37.5 s after the message, then each 75 s")
		assert.Equal(t, At(3), monitor.Status().LedgerEnd)
	})
}

// Updates that the filter leaves out move the ledger end just before it is asked for; their checkpoint
// is still to come.
func TestALedgerThatGoesOnBeforeItIsAskedAboutIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for i := range int64(40) {
				time.Sleep(75*time.Second + 37*time.Second)
				n.pass(10 + i)
				time.Sleep(70 * time.Second) // within the delay
				n.change(func() { n.log = append(n.log, entry{10 + i, checkpoint(10 + i)}) })
			}
		}()
		_, met := within(t, n, At(0), 2*time.Hour, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)})
		assert.Empty(t, met)
		<-stop
	})
}

func TestASilentStreamIsReopenedOnceTheLedgerHasGoneOn(t *testing.T) {
	for name, c := range map[string]struct {
		advertised, want time.Duration
	}{
		"not advertised": {0, 1125 * 100 * time.Millisecond},
		"advertised":     {10 * time.Second, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.add(3)
				n.delay = c.advertised
				n.stream = func(turn int, s *serverStream) error {
					if turn == 0 {
						_ = s.tail(1)
						time.Sleep(time.Second) // the delay is known, when the silence begins
						n.add(4)
						_ = s.tail(1)
						n.add(5)
						return s.silent()
					}
					return errGoOn
				}
				start := time.Now()
				var met causes
				got, err := read(Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{
					Node: NodeOf(n.conn), OnReopen: met.add,
				}), 3)
				require.NoError(t, err)
				assert.Equal(t, []int64{3, 4, 5}, got)
				assert.Equal(t, causes{Silent}, met)
				assert.InDelta(t, c.want.Seconds()+1, time.Since(start).Seconds(), 0.2)
			})
		})
	}
}

func TestTimeInTheLoopBodyIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3, 4)
		n.stream = func(_ int, s *serverStream) error {
			_ = s.tail(1)
			time.Sleep(time.Hour + time.Second)
			return errGoOn
		}
		var met causes
		for u, err := range Updates(t.Context(), At(0), n.updates, Options[*dynamicpb.Message]{Node: NodeOf(n.conn), OnReopen: met.add}) {
			require.NoError(t, err)
			if u.Offset == At(4) {
				break
			}
			time.Sleep(time.Hour)
		}
		assert.Empty(t, met)
	})
}

// A node that does not answer is asked again; nothing is made of it.
func TestANodeThatDoesNotTellItsEndIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.add(3)
		n.noEnd = true
		_, met := within(t, n, At(3), time.Hour, Options[*dynamicpb.Message]{Node: NodeOf(n.conn)})
		assert.Empty(t, met)
		assert.Equal(t, 48, n.count(methodLedgerEnd))
	})
}

func TestWithoutANodeSilenceIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.pass(9)
		_, met := within(t, n, At(3), time.Hour, Options[*dynamicpb.Message]{})
		assert.Empty(t, met)
		assert.Zero(t, n.count(methodLedgerEnd))
	})
}

// Transactions of v1 come without checkpoints, so that their silence says nothing.
func TestTheSilenceOfTransactionsOfV1IsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		first := v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "0a"}}})
		open := func(ctx context.Context, _ Offset) (Receiver[*dynamicpb.Message], error) {
			return &pausing{ctx: ctx, first: first}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var met causes
		offsets := 0
		for u, err := range Updates(ctx, At(0), open, Options[*dynamicpb.Message]{OnReopen: met.add, Node: Node{
			LedgerEnd: func(context.Context) (Offset, error) { asked++; return ParseOffset("0f") },
		}}) {
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			assert.Equal(t, "0a", u.Offset.String())
			offsets++
		}
		assert.Equal(t, 1, offsets)
		assert.Empty(t, met)
		assert.Zero(t, asked)
	})
}

// pausing is a stream of one message, which then waits.
type pausing struct {
	ctx   context.Context
	first *dynamicpb.Message
}

func (p *pausing) Recv() (*dynamicpb.Message, error) {
	if m := p.first; m != nil {
		p.first = nil
		return m, nil
	}
	<-p.ctx.Done()
	return nil, p.ctx.Err()
}

func TestTheCheckpointDelayIsReadFromTheVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.pass(42)
		node := NodeOf(n.conn)
		delay, err := node.CheckpointDelay(t.Context())
		require.NoError(t, err)
		assert.Zero(t, delay, "not advertised")
		n.delay = 90*time.Second + 5*time.Millisecond
		delay, err = node.CheckpointDelay(t.Context())
		require.NoError(t, err)
		assert.Equal(t, n.delay, delay)
		end, err := node.LedgerEnd(t.Context())
		require.NoError(t, err)
		assert.Equal(t, At(42), end)
		id, err := node.ParticipantID(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "participant::1", id)
		_, err = node.CheckpointDelay(canceled())
		require.Error(t, err)
	})
	for _, bad := range [][]byte{nil, {0xff}, {0x12}, {0x12, 0x05, 0x22}, {0x10, 0x01}, {0x15, 1, 2, 3, 4}, {0x12, 0x02, 0x22, 0x00},
		append([]byte{0x12, 0x0f, 0x22, 0x0d, 0x0a, 0x0b, 0x08}, protowire.AppendVarint(nil, 1<<64-1)...), // -1 s
	} {
		assert.Zero(t, checkpointDelay(bad))
	}
}

func FuzzCheckpointDelay(f *testing.F) {
	f.Add([]byte{0x12, 0x04, 0x22, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, version []byte) {
		if d := checkpointDelay(version); d < 0 {
			t.Errorf("%v", d)
		}
	})
}
