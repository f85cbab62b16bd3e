package pick

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// publisher is a Source that publishes when a stream ends for which calls wait.
type publisher struct {
	mu        sync.Mutex
	published int
	next      chan struct{} // closed by the next publication
}

func newPublisher() *publisher { return &publisher{next: make(chan struct{})} }

func (*publisher) Explain() error { return errors.New("no endpoint is eligible") }
func (*publisher) Stale() bool    { return false }

func (p *publisher) StreamEnded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published++
	close(p.next)
	p.next = make(chan struct{})
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published
}

func (p *publisher) following() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// withStreams returns eligible connections with these limits.
func withStreams(source *publisher, limits ...uint32) (*Room, []*Conn) {
	room := NewRoom(source)
	room.EjectAfter(5)
	conns := make([]*Conn, len(limits))
	for i, limit := range limits {
		conns[i] = new(Conn)
		name := string(rune('a' + i))
		conns[i].Init(room, &watcher{}, name, name+":1", false)
		conns[i].Use(&named{name: name})
		conns[i].SetStreamLimit(limit)
		conns[i].SetEligible(true)
	}
	source.published = 0 // the first limit has a snapshot published
	return room, conns
}

func nameOf(r balancer.PickResult) string {
	sc, _ := r.SubConn.(*named)
	return sc.name
}

// pickAll picks until calls wait, at most 100 times.
func pickAll(t *testing.T, p *Picker, info func() balancer.PickInfo) (names string, ends []func(balancer.DoneInfo)) {
	t.Helper()
	for len(ends) < 100 {
		r, err := p.Pick(info())
		if err != nil {
			require.Equal(t, balancer.ErrNoSubConnAvailable, err)
			break
		}
		names += nameOf(r)
		ends = append(ends, r.Done)
	}
	return names, ends
}

func plainCall() balancer.PickInfo { return balancer.PickInfo{Ctx: context.Background()} }

// kinds are the calls without and with a record.
func kinds() map[string]func() balancer.PickInfo {
	return map[string]func() balancer.PickInfo{
		"without a record": plainCall,
		"with a record":    func() balancer.PickInfo { return callWith(new(attempt.Record)) },
		"idempotent":       func() balancer.PickInfo { return callWith(&attempt.Record{Rescuable: true}) },
	}
}

func callWith(r *attempt.Record) balancer.PickInfo {
	return balancer.PickInfo{Ctx: attempt.NewContext(context.Background(), r)}
}

func TestCallsGetAllStreamsButOneForProbes(t *testing.T) {
	for limit, calls := range map[uint32]int{0: 0, 1: 1, 2: 1, 3: 2, 20: 19, math.MaxInt32: 100, math.MaxUint32: 100} {
		for name, info := range kinds() {
			for _, s := range []Snapshot{{}, {Least: true}, {Open: true}, {Open: true, Least: true}} {
				room, conns := withStreams(newPublisher(), limit)
				conns[0].SetEligible(!s.Open)
				names, _ := pickAll(t, NewPicker(room, RowOf(conns), nil, s), info)
				assert.Len(t, names, calls, "limit %d, %s, %+v", limit, name, s)
			}
		}
	}
}

func TestAConnectionWithoutAStreamIsPassedOver(t *testing.T) {
	for name, info := range kinds() {
		t.Run(name, func(t *testing.T) {
			source := newPublisher()
			room, conns := withStreams(source, 3, 5, 2)
			p := NewPicker(room, RowOf(conns[:2]), nil, Snapshot{Spare: conns[2:]})
			names, ends := pickAll(t, p, info)
			assert.Equal(t, 2, strings.Count(names, "a"))
			assert.Equal(t, 4, strings.Count(names, "b"))
			assert.Equal(t, "c", names[6:], "another zone is better than to wait")
			assert.Zero(t, source.count())
			for _, end := range ends {
				end(goodCall)
			}
			assert.Equal(t, 1, source.count(), "one snapshot is enough for all that wait")
			names, _ = pickAll(t, p, info)
			assert.Len(t, names, 7)
		})
	}
}

func TestEveryEndOfACallForWhichOthersWaitIsFollowedByASnapshot(t *testing.T) {
	for name, end := range map[string]balancer.DoneInfo{"answered": goodCall, "timed out": late, "never sent": {}} {
		for _, info := range kinds() {
			source := newPublisher()
			room, conns := withStreams(source, 2)
			p := NewPicker(room, RowOf(conns), nil, Snapshot{})
			_, ends := pickAll(t, p, info)
			require.Len(t, ends, 1)
			ends[0](end)
			assert.Equal(t, 1, source.count(), name)
		}
	}
	source := newPublisher()
	room, conns := withStreams(source, 2)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{})
	_, ends := pickAll(t, p, plainCall)
	require.Len(t, ends, 1)
	conns[0].SetStreamLimit(3)
	assert.Equal(t, 1, source.count(), "the server has raised the limit")
	names, _ := pickAll(t, p, plainCall)
	assert.Len(t, names, 1)
}

func TestATrialIsKeptForACallThatGetsAStream(t *testing.T) {
	room, conns := withStreams(newPublisher(), 2, 9)
	trial := conns[0]
	trial.SetEligible(false)
	trial.SetTrial(true)
	require.True(t, trial.enter(), "a call from before the trial")
	p := NewPicker(room, RowOf(conns[1:]), nil, Snapshot{Trials: conns[:1]})
	for _, info := range kinds() {
		r, err := p.Pick(info())
		require.NoError(t, err)
		assert.Equal(t, "b", nameOf(r))
	}
	trial.done(goodCall)
	r, err := p.Pick(plainCall())
	require.NoError(t, err)
	assert.Equal(t, "a", nameOf(r))
}

func TestARecordKnowsThatItsCallWaitedForAStream(t *testing.T) {
	limits := make([]uint32, mostNamed+2)
	room, conns := withStreams(newPublisher(), limits...)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{})
	r := new(attempt.Record)
	_, err := p.Pick(callWith(r))
	assert.Equal(t, balancer.ErrNoSubConnAvailable, err)
	var full *FullError
	require.ErrorAs(t, r.Err(), &full)
	assert.EqualError(t, full, "no stream is left on the connections to a, b, c, d, e, f, g, h and 2 more")
	for _, c := range conns {
		c.SetEligible(false)
	}
	assert.EqualError(t, r.Err(), "no endpoint is eligible", "as of now")
}

// Callers pick, and wait for the next snapshot if there is no stream, as in grpc.
func TestNoConnectionExceedsItsLimitAndNoCallWaitsForEver(t *testing.T) {
	source := newPublisher()
	room, conns := withStreams(source, 4, 2, 3)
	var used [3]atomic.Int32
	var callers sync.WaitGroup
	for i := range 16 {
		s := Snapshot{Least: i%4 == 3}
		p := NewPicker(room, RowOf(conns), nil, s)
		callers.Go(func() {
			for done := 0; done < 500; {
				info := plainCall()
				if i%2 == 0 {
					info = callWith(new(attempt.Record))
				}
				next := source.following()
				r, err := p.Pick(info)
				if err != nil {
					<-next
					continue
				}
				n := nameOf(r)[0] - 'a'
				assert.LessOrEqual(t, used[n].Add(1), []int32{3, 1, 2}[n])
				used[n].Add(-1)
				r.Done(goodCall)
				done++
			}
		})
	}
	callers.Wait()
}

func TestAPickOnAConnectionWithALimitAllocatesNothing(t *testing.T) {
	if testkit.RaceDetector {
		t.Skip("the race detector empties pools at random")
	}
	room, conns := withStreams(newPublisher(), 20, 20)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{})
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		r, _ := p.Pick(plainCall())
		r.Done(goodCall)
	}))
}
