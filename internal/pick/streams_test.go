package pick

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// publisher is a Source that counts how often it has to publish.
type publisher struct{ published atomic.Int32 }

func (*publisher) Explain() error                   { return errors.New("no endpoint is eligible") }
func (*publisher) Stale() bool                      { return false }
func (*publisher) Elsewhere(func(string) bool) bool { return false }
func (p *publisher) Republish()                     { p.published.Add(1) }

// withStreams returns eligible connections with these limits.
func withStreams(limits ...uint32) (*Room, []*Conn) {
	room := NewRoom(new(publisher))
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
	return room, conns
}

// published returns a picker that the room has published.
func published(room *Room, conns []*Conn, s Snapshot) *Picker {
	p := NewPicker(room, RowOf(conns), nil, s)
	room.Publish(p)
	return p
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

// impatient is the context of calls that do not wait.
var impatient = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func plainCall() balancer.PickInfo { return balancer.PickInfo{Ctx: impatient} }

// kinds are the calls without and with a record. They do not wait.
func kinds() map[string]func() balancer.PickInfo {
	return map[string]func() balancer.PickInfo{
		"without a record": plainCall,
		"with a record":    func() balancer.PickInfo { return callWith(new(attempt.Record)) },
		"idempotent":       func() balancer.PickInfo { return callWith(&attempt.Record{Rescuable: true}) },
	}
}

func callWith(r *attempt.Record) balancer.PickInfo {
	return balancer.PickInfo{Ctx: attempt.NewContext(impatient, r)}
}

func TestCallsGetAllStreamsButOneForProbes(t *testing.T) {
	for limit, calls := range map[uint32]int{0: 0, 1: 1, 2: 1, 3: 2, 20: 19, math.MaxInt32: 100, math.MaxUint32: 100} {
		for name, info := range kinds() {
			for _, s := range []Snapshot{{}, {Least: true}, {Open: true}, {Open: true, Least: true}} {
				room, conns := withStreams(limit)
				conns[0].SetEligible(!s.Open)
				names, _ := pickAll(t, published(room, conns, s), info)
				assert.Len(t, names, calls, "limit %d, %s, %+v", limit, name, s)
			}
		}
	}
}

func TestAConnectionWithoutAStreamIsPassedOver(t *testing.T) {
	for name, info := range kinds() {
		t.Run(name, func(t *testing.T) {
			room, conns := withStreams(3, 5, 2)
			p := published(room, conns[:2], Snapshot{Spare: conns[2:]})
			names, ends := pickAll(t, p, info)
			assert.Equal(t, 2, strings.Count(names, "a"))
			assert.Equal(t, 4, strings.Count(names, "b"))
			assert.Equal(t, "c", names[6:], "another zone is better than to wait")
			for _, end := range ends {
				end(goodCall)
			}
			names, _ = pickAll(t, p, info)
			assert.Len(t, names, 7)
		})
	}
}

func TestTheFirstLimitOfARoomIsFollowedByASnapshotThatHeedsIt(t *testing.T) {
	source := new(publisher)
	room := NewRoom(source)
	conns := newConns(room, 2)
	conns[0].SetStreamLimit(math.MaxUint32)
	assert.False(t, NewPicker(room, RowOf(conns), nil, Snapshot{}).limited)
	assert.Zero(t, source.published.Load())
	for _, limit := range []uint32{7, 3, 9} {
		conns[0].SetStreamLimit(limit)
		conns[1].SetStreamLimit(limit)
	}
	assert.Equal(t, int32(1), source.published.Load())
	assert.True(t, NewPicker(room, RowOf(conns), nil, Snapshot{}).limited)
}

func TestATrialIsKeptForACallThatGetsAStream(t *testing.T) {
	room, conns := withStreams(2, 9)
	trial := conns[0]
	trial.SetEligible(false)
	trial.SetTrial(true)
	require.True(t, trial.enter(), "a call from before the trial")
	p := published(room, conns[1:], Snapshot{Trials: conns[:1]})
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
	room, conns := withStreams(limits...)
	p := published(room, conns, Snapshot{})
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

func TestAPickOnAConnectionWithALimitAllocatesNothing(t *testing.T) {
	if testkit.RaceDetector {
		t.Skip("the race detector empties pools at random")
	}
	room, conns := withStreams(20, 20)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{})
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		r, _ := p.Pick(plainCall())
		r.Done(goodCall)
	}))
}
