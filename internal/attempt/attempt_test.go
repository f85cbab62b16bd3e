package attempt

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"google.golang.org/grpc/balancer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRecordTellsWhyTheNewestPickFoundNobody(t *testing.T) {
	r := new(Record)
	ctx := NewContext(context.Background(), r)
	assert.NoError(t, r.Err(), "there was no pick yet")

	why := errors.New("all are down")
	From(ctx).Refused(func() error { return why })
	assert.Equal(t, why, r.Err())

	From(ctx).Picked("seq1")
	assert.NoError(t, r.Err(), "what came before the newest pick is history")
}

func TestACallWithoutARecordTakesNoNotes(t *testing.T) {
	r := From(context.Background())
	assert.Nil(t, r)
	r.Refused(func() error { return errors.New("nobody hears") })
	assert.NoError(t, r.Err())
}

func TestAPickForNoCallHasNoRecord(t *testing.T) {
	var none context.Context // as of balancer.PickInfo{}, which tests of other policies pick with
	assert.Nil(t, From(none))
}

func TestRecordListsTheAttempts(t *testing.T) {
	gone := errors.New("gone")
	r := &Record{Max: 2}
	assert.True(t, r.Fresh())
	r.Picked("seq1")
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true})
	r.Done(balancer.DoneInfo{}) // late, and of no attempt
	assert.False(t, r.Fresh())
	assert.True(t, r.Tried("seq1"))
	assert.False(t, r.Tried("seq2"))
	assert.False(t, r.Spent())
	assert.True(t, r.Sent())
	r.Picked("seq2")
	assert.True(t, r.Spent())
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	assert.Equal(t, []Attempt{{Endpoint: "seq1", Err: gone, Sent: true}, {Endpoint: "seq2", Sent: true}}, r.Attempts())
}

func TestAPickThatGRPCCouldNotUseIsNoAttempt(t *testing.T) {
	r := &Record{Max: 1}
	r.Picked("seq1")
	r.Done(balancer.DoneInfo{})
	assert.True(t, r.Fresh())
	assert.False(t, r.Spent())
	assert.False(t, r.Sent())
}

func TestRecordWithoutABoundIsNeverSpent(t *testing.T) {
	r := new(Record)
	for range 10 {
		r.Picked("seq1")
	}
	assert.False(t, r.Spent())
}

func TestRescueLeavesACallAloneThatCannotBeMadeAgain(t *testing.T) {
	for name, r := range map[string]*Record{
		"it is not idempotent":    {},
		"it has had its attempts": {Rescuable: true, Max: 1},
		"no retry is to spare":    {Rescuable: true, Allow: func() bool { return false }},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		r.Begin(cancel)
		r.Picked("seq1")
		r.Rescue("seq1")
		assert.NoError(t, ctx.Err(), name)
		assert.False(t, r.Rescued(), name)
		cancel()
	}
}

func TestEndEndsAMovableStreamOnThatEndpointOnly(t *testing.T) {
	why := errors.New("moved")
	for name, r := range map[string]*Record{"it is movable": {Movable: true}, "it is not": {Rescuable: true}} {
		ctx, cancel := context.WithCancel(context.Background())
		r.Begin(cancel)
		r.End("seq1", why)
		r.Picked("seq1")
		r.End("seq2", why)
		assert.NoError(t, ctx.Err(), name)
		assert.NoError(t, r.Ended(), name)
		r.End("seq1", why)
		assert.Equal(t, r.Movable, ctx.Err() != nil, name)
		assert.Equal(t, r.Movable, r.Ended() == why, name) //nolint:errorlint // the very same
		cancel()
	}
	r := &Record{Movable: true}
	r.Begin(func() { assert.Fail(t, "it has ended by itself") })
	r.Picked("seq1")
	r.Done(balancer.DoneInfo{BytesSent: true})
	r.End("seq1", why)
	assert.NoError(t, r.Ended())
}

func TestRescueCallsOffTheAttemptUnderWayOnThatEndpointOnly(t *testing.T) {
	asked := 0
	r := &Record{Rescuable: true, Allow: func() bool { asked++; return true }}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.Begin(cancel)
	r.Rescue("seq1")
	assert.False(t, r.Rescued(), "nothing is under way")
	r.Picked("seq1")
	r.Rescue("seq2")
	assert.NoError(t, ctx.Err())
	r.Rescue("seq1")
	r.Rescue("seq1")
	assert.Equal(t, 1, asked)
	assert.Error(t, ctx.Err())
	assert.True(t, r.Rescued())

	r.Done(balancer.DoneInfo{Err: ctx.Err(), BytesSent: true})
	r.Begin(cancel)
	assert.False(t, r.Rescued(), "another round")
	r.Rescue("seq1")
	assert.False(t, r.Rescued(), "that attempt has ended")
}

func TestAnObserverHearsOfEachAttemptAndItsEnd(t *testing.T) {
	type told struct {
		ctx context.Context
		Observed
	}
	var heard []told
	r := &Record{Observe: func(ctx context.Context, o Observed) { heard = append(heard, told{ctx, o}) }}
	first, second := t.Context(), context.WithValue(t.Context(), key{}, r)
	gone := errors.New("gone")

	r.Picked("seq1")
	r.Begun(first, "a:1")
	r.Done(balancer.DoneInfo{}) // of no use to grpc: no attempt
	r.Picked("seq1")
	r.Begun(first, "a:1")
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true})
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true}) // late
	r.Picked("seq2")
	r.Begun(second, "b:2")
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})

	started := Observed{Endpoint: "seq1", Address: "a:1", Number: 1}
	assert.Equal(t, []told{
		{first, started},
		{first, started},
		{first, Observed{Endpoint: "seq1", Address: "a:1", Number: 1, Ended: true, Err: gone}},
		{second, Observed{Endpoint: "seq2", Address: "b:2", Number: 2}},
		{second, Observed{Endpoint: "seq2", Address: "b:2", Number: 2, Ended: true}},
	}, heard)
	assert.Equal(t, heard[4].Observed, r.Newest())
	assert.Zero(t, new(Record).Newest())
}

func TestATallyCounts(t *testing.T) {
	var nobody *Tally
	nobody.Rescued()
	nobody.Retried()
	nobody.Refused()
	assert.Zero(t, nobody.Totals())

	var tally Tally
	tally.Rescued()
	tally.Retried()
	tally.Retried()
	tally.Refused()
	assert.Equal(t, Totals{Rescued: 1, Retried: 2, Refused: 1}, tally.Totals())
}
