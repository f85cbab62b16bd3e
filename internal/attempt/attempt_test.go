package attempt

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRecordTellsWhyTheNewestPickFoundNobody(t *testing.T) {
	r := new(Record)
	ctx := NewContext(context.Background(), r)
	assert.NoError(t, r.Err(), "there was no pick yet")

	why := errors.New("all are down")
	From(ctx).Refused(func() error { return why })
	assert.Equal(t, why, r.Err())

	From(ctx).Picked(ctx, "seq1", "")
	assert.NoError(t, r.Err(), "what came before the newest pick is history")
}

func TestAPanicEndsTheAttemptThatIsUnderWayAndNoOther(t *testing.T) {
	ended := 0
	r := &Record{Max: 2}
	r.Finish = func(info balancer.DoneInfo) {
		ended++
		r.Done(info)
	}
	ctx := context.Background()
	r.Picked(ctx, "seq1", "")
	r.Finish(balancer.DoneInfo{}) // grpc could not use it
	r.EndPanicked(errors.New("a stats handler has panicked"))
	assert.Equal(t, 1, ended)
	r.Picked(ctx, "seq1", "")
	r.EndPanicked(errors.New("a codec has panicked"))
	r.EndPanicked(errors.New("a codec has panicked"))
	assert.Equal(t, 2, ended)
	From(context.Background()).EndPanicked(errors.New("a codec has panicked")) // a call without a record
	new(Record).EndPanicked(errors.New("a codec has panicked"))                // nothing was picked
}

func TestACallWithoutARecordTakesNoNotes(t *testing.T) {
	r := From(context.Background())
	assert.Nil(t, r)
	r.Refused(func() error { return errors.New("not called") })
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
	r.Picked(context.Background(), "seq1", "")
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true})
	r.Done(balancer.DoneInfo{}) // late, and of no attempt
	assert.False(t, r.Fresh())
	assert.True(t, r.Tried("seq1"))
	assert.False(t, r.Tried("seq2"))
	assert.NotEqual(t, Spent, r.MayTry())
	assert.True(t, r.Sent())
	r.Picked(context.Background(), "seq2", "")
	assert.Equal(t, Spent, r.MayTry())
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	assert.Equal(t, []Attempt{{Endpoint: "seq1", Err: gone, Sent: true}, {Endpoint: "seq2", Sent: true}}, r.Attempts())
}

func TestAPickThatGRPCCouldNotUseIsNoAttempt(t *testing.T) {
	r := &Record{Max: 1}
	r.Picked(context.Background(), "seq1", "")
	r.Done(balancer.DoneInfo{})
	assert.True(t, r.Fresh())
	assert.NotEqual(t, Spent, r.MayTry())
	assert.False(t, r.Sent())
}

func TestAfterAPickThatWasNoUseTheNewestAttemptIsTheOneBefore(t *testing.T) {
	r := new(Record)
	r.Picked(context.Background(), "seq1", "")
	r.Done(balancer.DoneInfo{BytesSent: true})
	r.Picked(context.Background(), "seq2", "")
	r.Done(balancer.DoneInfo{})
	assert.Equal(t, Observed{Endpoint: "seq1", Number: 1, Ended: true}, r.Newest())
}

func TestRecordWithoutABoundIsNeverSpent(t *testing.T) {
	r := new(Record)
	for range 10 {
		r.Picked(context.Background(), "seq1", "")
	}
	assert.NotEqual(t, Spent, r.MayTry())
}

func TestRescueLeavesACallAloneThatCannotBeMadeAgain(t *testing.T) {
	for name, r := range map[string]*Record{
		"it is not idempotent":    {},
		"it has had its attempts": {Rescuable: true, Max: 1},
		"no retry is to spare":    {Rescuable: true, Allow: func() bool { return false }},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		r.Begin(cancel)
		r.Picked(context.Background(), "seq1", "")
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
		r.Picked(context.Background(), "seq1", "")
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
	r.Picked(context.Background(), "seq1", "")
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
	r.Picked(context.Background(), "seq1", "")
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

	r.Picked(first, "seq1", "a:1")
	r.Done(balancer.DoneInfo{}) // of no use to grpc: no attempt, except for the observer
	r.Picked(first, "seq1", "a:1")
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true})
	r.Done(balancer.DoneInfo{Err: gone, BytesSent: true}) // late
	r.Picked(second, "seq2", "b:2")
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})

	started := Observed{Endpoint: "seq1", Address: "a:1", Number: 1}
	assert.Equal(t, []told{
		{first, started},
		{first, Observed{Endpoint: "seq1", Address: "a:1", Number: 1, Ended: true, Err: errUnused}},
		{first, started},
		{first, Observed{Endpoint: "seq1", Address: "a:1", Number: 1, Ended: true, Err: gone}},
		{second, Observed{Endpoint: "seq2", Address: "b:2", Number: 2}},
		{second, Observed{Endpoint: "seq2", Address: "b:2", Number: 2, Ended: true}},
	}, heard)
	assert.Equal(t, heard[5].Observed, r.Newest())
	assert.Zero(t, new(Record).Newest())
}

func TestATallyCounts(t *testing.T) {
	var nobody *Tally
	nobody.Rescued()
	nobody.Retried()
	nobody.Refused()
	nobody.Hedged()
	nobody.HedgeWon()
	nobody.HedgeRefused()
	assert.Zero(t, nobody.Totals())

	var tally Tally
	tally.Rescued()
	tally.Retried()
	tally.Retried()
	tally.Refused()
	tally.Hedged()
	tally.Hedged()
	tally.Hedged()
	tally.HedgeWon()
	tally.HedgeWon()
	tally.HedgeRefused()
	assert.Equal(t, Totals{Rescued: 1, Retried: 2, Refused: 1, Hedged: 3, HedgesWon: 2, HedgesRefused: 1}, tally.Totals())
}

// A call that was called off on a connection that grpc then could not use was never
// tried. It is still reissued, since only the rescue has cancelled it.
func TestACallThatWasCalledOffIsMadeAgainWhateverBecameOfThePick(t *testing.T) {
	canceled := status.Error(codes.Canceled, "context canceled while waiting for connections to become ready")
	for name, c := range map[string]struct {
		after func(*Record)
		err   error
		again bool
	}{
		"lost pick":                 {func(r *Record) { r.Done(balancer.DoneInfo{}) }, canceled, true},
		"refused since":             {func(r *Record) { r.Done(balancer.DoneInfo{}); r.Refused(nil) }, canceled, true},
		"never left":                {func(r *Record) { r.Done(balancer.DoneInfo{Err: canceled}) }, canceled, true},
		"sent":                      {func(r *Record) { r.Done(balancer.DoneInfo{Err: canceled, BytesSent: true}) }, canceled, true},
		"credentials gave up":       {func(r *Record) { r.Done(balancer.DoneInfo{}) }, status.Error(codes.Unauthenticated, "context canceled"), true},
		"the server said CANCELLED": {func(r *Record) { r.Done(balancer.DoneInfo{Err: canceled, BytesSent: true, BytesReceived: true}) }, canceled, true},
		"it was answered in time":   {func(r *Record) { r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true}) }, nil, false},
		"the server's error came in": {func(r *Record) {
			r.Done(balancer.DoneInfo{Err: status.Error(codes.NotFound, "no"), BytesSent: true, BytesReceived: true})
		}, status.Error(codes.NotFound, "no"), false},
	} {
		r := &Record{Max: 2, Rescuable: true}
		ctx, cancel := context.WithCancel(t.Context())
		r.Begin(cancel)
		r.Picked(ctx, "seq1", "")
		r.Rescue("seq1")
		require.True(t, r.Rescued(), name)
		assert.Equal(t, CalledOff, r.MayTry(), "%s: no attempt begins whose context has ended", name)
		c.after(r)
		assert.Equal(t, c.again, r.Again(c.err), name)
		r.Begin(cancel)
		assert.Equal(t, Try, r.MayTry(), name)
	}
}

// An attempt that never left does not use up one of those that may, but there is an
// end to them.
func TestAttemptsThatNeverLeftDoNotCount(t *testing.T) {
	gone := status.Error(codes.Unavailable, "the connection is draining")
	for _, rescuable := range []bool{true, false} {
		r := &Record{Max: 2, Rescuable: rescuable}
		for range r.Max + mostUnsent - 1 {
			r.Picked(t.Context(), "seq1", "")
			r.Done(balancer.DoneInfo{Err: gone})
			assert.True(t, r.Again(gone))
			assert.Equal(t, Try, r.MayTry())
		}
		assert.False(t, r.Sent())
		r.Picked(t.Context(), "seq1", "")
		r.Done(balancer.DoneInfo{Err: gone})
		assert.Equal(t, Spent, r.MayTry())
		assert.False(t, r.Again(gone))
	}
}

func TestAnotherRoundIsForWhatIsSafeAndWithinTheBounds(t *testing.T) {
	unavailable, denied := status.Error(codes.Unavailable, "gone"), status.Error(codes.Unauthenticated, "expired")
	sent := func(err error) balancer.DoneInfo { return balancer.DoneInfo{Err: err, BytesSent: true} }
	for name, c := range map[string]struct {
		record *Record
		info   balancer.DoneInfo
		denied bool
		want   bool
	}{
		"idempotent, unavailable":      {&Record{Rescuable: true}, sent(unavailable), false, true},
		"not idempotent, unavailable":  {&Record{}, sent(unavailable), false, false},
		"not idempotent, never sent":   {&Record{}, balancer.DoneInfo{Err: unavailable}, false, true},
		"idempotent, another error":    {&Record{Rescuable: true}, sent(denied), false, false},
		"idempotent, its token denied": {&Record{Rescuable: true}, sent(denied), true, true},
		"spent":                        {&Record{Rescuable: true, Max: 1}, sent(unavailable), false, false},
		"no retry to spare":            {&Record{Rescuable: true, Allow: func() bool { return false }}, sent(unavailable), false, false},
		"a retry to spare":             {&Record{Rescuable: true, Allow: func() bool { return true }}, sent(unavailable), false, true},
	} {
		r := c.record
		assert.False(t, r.Again(unavailable), "%s: it was not tried", name)
		r.Picked(t.Context(), "seq1", "")
		if c.denied {
			r.Deny(true)
		}
		r.Done(c.info)
		assert.False(t, r.Again(nil), name)
		assert.Equal(t, c.want, r.Again(c.info.Err), name)
		r.Refused(func() error { return nil })
		assert.False(t, r.Again(c.info.Err), "%s: it would be refused again", name)
	}
}

func TestAnObserverThatPanicsCostsNothing(t *testing.T) {
	r := &Record{Observe: func(context.Context, Observed) { panic("on purpose") }}
	r.Picked(t.Context(), "seq1", "a:1")
	r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	assert.Equal(t, []Attempt{{Endpoint: "seq1", Address: "a:1", Sent: true}}, r.Attempts())
}

func TestAnEndpointThatHasRejectedItsTokenIsKnown(t *testing.T) {
	rejected := balancer.DoneInfo{Err: status.Error(codes.Unauthenticated, "expired"), BytesSent: true, BytesReceived: true}
	for _, elsewhere := range []bool{true, false} {
		r := &Record{Rescuable: true, Max: 3}
		assert.False(t, r.Denied(""))
		r.Picked(t.Context(), "seq1", "")
		r.Deny(elsewhere)
		r.Done(rejected)
		r.Deny(!elsewhere) // late, and of no attempt
		assert.True(t, r.Denied("seq1"))
		assert.False(t, r.Denied("seq2"))
		assert.True(t, r.Denied(""))
		assert.Equal(t, elsewhere, r.Again(rejected.Err))
	}
}
