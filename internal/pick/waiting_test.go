package pick

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// waitingCall is a call that may have to wait for a stream.
type waitingCall struct {
	record *attempt.Record
	cancel context.CancelFunc
	ended  atomic.Bool // the pick has returned
	result balancer.PickResult
	err    error
}

// pickIn makes a pick in the bubble, and returns when it waits or has returned.
func pickIn(t *testing.T, p *Picker, r *attempt.Record) *waitingCall {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &waitingCall{record: r, cancel: cancel}
	if r != nil {
		ctx = attempt.NewContext(ctx, r)
	}
	go func() {
		w.result, w.err = p.Pick(balancer.PickInfo{Ctx: ctx})
		w.ended.Store(true)
		cancel()
	}()
	synctest.Wait()
	return w
}

func fresh() *attempt.Record { return new(attempt.Record) }

func TestACallThatWaitsGetsTheNextStreamThatEnds(t *testing.T) {
	for name, end := range map[string]balancer.DoneInfo{"answered": goodCall, "timed out": late, "never sent": {}} {
		for kind, record := range map[string]func() *attempt.Record{"plain": func() *attempt.Record { return nil }, "with a record": fresh} {
			for _, s := range []Snapshot{{}, {Least: true}} {
				t.Run(name+", "+kind, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						room, conns := withStreams(2, 2)
						p := published(room, conns, s)
						held := []*waitingCall{pickIn(t, p, record()), pickIn(t, p, record())}
						waits := pickIn(t, p, record())
						require.False(t, waits.ended.Load())
						held[1].result.Done(end)
						synctest.Wait()
						require.True(t, waits.ended.Load())
						require.NoError(t, waits.err)
						assert.Equal(t, nameOf(held[1].result), nameOf(waits.result))
					})
				})
			}
		}
	}
}

func TestCallsGetStreamsInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, conns := withStreams(2)
		p := published(room, conns, Snapshot{})
		now := pickIn(t, p, nil)
		queue := make([]*waitingCall, 6)
		for i := range queue {
			queue[i] = pickIn(t, p, []*attempt.Record{nil, fresh()}[i%2])
		}
		queue[0].cancel() // the first
		queue[3].cancel() // one in the middle
		queue[5].cancel() // the last
		synctest.Wait()
		for _, i := range []int{0, 3, 5} {
			assert.Equal(t, balancer.ErrNoSubConnAvailable, queue[i].err)
		}
		for _, i := range []int{1, 2, 4} {
			assert.False(t, queue[i].ended.Load())
			now.result.Done(goodCall)
			synctest.Wait()
			require.True(t, queue[i].ended.Load(), i)
			now = queue[i]
		}
		assert.False(t, room.waiting.any())
	})
}

func TestALimitThatIsRaisedLetsInAllForWhichThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, conns := withStreams(2)
		p := published(room, conns, Snapshot{})
		var calls []*waitingCall
		for range 6 {
			calls = append(calls, pickIn(t, p, fresh()))
		}
		conns[0].SetStreamLimit(5)
		synctest.Wait()
		for i, c := range calls {
			assert.Equal(t, i < 4, c.ended.Load(), i)
		}
		for _, c := range calls[4:] {
			c.cancel()
		}
	})
}

func TestNoCallIsSentByASnapshotThatIsSuperseded(t *testing.T) {
	for name, next := range map[string]func(*Room, []*Conn) balancer.Picker{
		"another": func(room *Room, conns []*Conn) balancer.Picker { return NewPicker(room, RowOf(conns), nil, Snapshot{}) },
		"refusal": func(room *Room, _ []*Conn) balancer.Picker { return &Refusal{Room: room, Wait: true} },
		"none":    func(*Room, []*Conn) balancer.Picker { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				room, conns := withStreams(2)
				p := published(room, conns, Snapshot{})
				holds := pickIn(t, p, nil)
				waits := []*waitingCall{pickIn(t, p, nil), pickIn(t, p, fresh())}
				room.Publish(next(room, conns))
				synctest.Wait()
				holds.result.Done(goodCall) // too late
				again := pickIn(t, p, nil)
				again.result.Done(goodCall)
				assert.NoError(t, again.err, "it does not wait")
				for _, w := range waits {
					assert.True(t, w.ended.Load())
					assert.Equal(t, balancer.ErrNoSubConnAvailable, w.err)
				}
				pickIn(t, p, nil)
				late := pickIn(t, p, nil)
				assert.True(t, late.ended.Load(), "no wait for a snapshot that has been published")
				assert.Equal(t, balancer.ErrNoSubConnAvailable, late.err)
			})
		})
	}
}

func TestOnlyACallThatAnyStreamHelpsWaitsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, conns := withStreams(2, 2)
		p := published(room, conns, Snapshot{})
		for range 2 {
			pickIn(t, p, nil)
		}
		record := fresh()
		assert.False(t, pickIn(t, p, record).ended.Load())
		var full *FullError
		require.ErrorAs(t, record.Err(), &full, "while it waits")

		_, err := p.Pick(balancer.PickInfo{})
		assert.Equal(t, balancer.ErrNoSubConnAvailable, err, "a pick without a call")
		hedge := pickIn(t, p, fresh().NewHedge(nil, nil))
		assert.True(t, hedge.ended.Load())
		assert.ErrorIs(t, hedge.err, errNoOther)
		for _, c := range conns {
			c.SetEligible(false)
		}
		ineligible := pickIn(t, p, fresh())
		assert.True(t, ineligible.ended.Load())
		assert.Equal(t, balancer.ErrNoSubConnAvailable, ineligible.err)
		room.Publish(nil)
	})
}

// Thousands of callers keep all streams busy, whatever is published meanwhile.
func TestAStreamThatEndsIsUsedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, each, takes = 600, 19, 5 * time.Millisecond
		room, conns := withStreams(20, 20, 20)
		var current atomic.Pointer[Picker]
		current.Store(published(room, conns, Snapshot{}))
		var used [3]atomic.Int32
		var calls sync.WaitGroup
		start := time.Now()
		for i := range callers {
			calls.Go(func() {
				info := balancer.PickInfo{Ctx: t.Context()}
				if i%2 == 0 {
					info.Ctx = attempt.NewContext(t.Context(), fresh())
				}
				for range 3 {
					r, err := current.Load().Pick(info)
					for err != nil {
						time.Sleep(time.Microsecond) // as long as it takes to publish
						r, err = current.Load().Pick(info)
					}
					n := nameOf(r)[0] - 'a'
					assert.LessOrEqual(t, used[n].Add(1), int32(each))
					time.Sleep(takes)
					used[n].Add(-1)
					r.Done(goodCall)
				}
			})
		}
		for i := range 20 {
			time.Sleep(7 * time.Millisecond)
			current.Store(published(room, conns, Snapshot{Least: i%2 == 0}))
		}
		calls.Wait()
		const rounds = (callers*3 + 3*each - 1) / (3 * each)
		assert.LessOrEqual(t, time.Since(start), rounds*takes+20*2*time.Microsecond+takes)
		assert.False(t, room.waiting.any())
	})
}

func TestNoCallWaitsForEver(t *testing.T) {
	room, conns := withStreams(4, 2, 3)
	var current atomic.Pointer[Picker]
	current.Store(published(room, conns, Snapshot{}))
	var publishing sync.Mutex
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for done := 0; done < 500; {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					ctx = attempt.NewContext(ctx, fresh())
				}
				if done%10 == 9 {
					go cancel()
				}
				r, err := current.Load().Pick(balancer.PickInfo{Ctx: ctx})
				if err == nil {
					r.Done(goodCall)
				}
				if err == nil || ctx.Err() != nil {
					done++
				}
				if done%100 == 0 {
					publishing.Lock()
					current.Store(published(room, conns, Snapshot{Least: done%200 == 0}))
					publishing.Unlock()
				}
				cancel()
			}
		})
	}
	callers.Wait()
	assert.False(t, room.waiting.any())
	for i, c := range conns {
		assert.Zero(t, c.Counts().InFlight, i)
	}
}

// A parent policy may have turned to another child, so a call does not stay in its pick.
func TestACallThatWaitsLongGoesBackToGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, conns := withStreams(2)
		source, ok := room.source.(*publisher)
		require.True(t, ok)
		p := published(room, conns, Snapshot{})
		before := source.published.Load()
		held := pickIn(t, p, fresh())
		require.NoError(t, held.err)
		waits := pickIn(t, p, fresh())
		time.Sleep(mostWait - time.Millisecond)
		synctest.Wait()
		require.False(t, waits.ended.Load())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.True(t, waits.ended.Load())
		require.ErrorIs(t, waits.err, balancer.ErrNoSubConnAvailable)
		assert.Equal(t, before+1, source.published.Load(), "the call picks again from the next snapshot")
		held.result.Done(goodCall)
		again := pickIn(t, p, waits.record)
		assert.True(t, again.ended.Load())
		assert.NoError(t, again.err)
	})
}
