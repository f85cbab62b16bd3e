package attempt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/hedge"
)

const ms = time.Millisecond

var (
	answered = balancer.DoneInfo{BytesSent: true, BytesReceived: true}
	canceled = balancer.DoneInfo{Err: status.Error(codes.Canceled, ""), BytesSent: true}
)

// hedgeable returns the record of a call that may be hedged, in a round of its own.
func hedgeable(t *testing.T) (*Record, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := &Record{Max: 3, Rescuable: true, Method: hedge.NewDelays(20 * ms).Of("/a.B/C")}
	r.Begin(cancel)
	return r, ctx
}

func TestAHedgeSharesTheAttemptsOfItsCall(t *testing.T) {
	r, ctx := hedgeable(t)
	r.Picked(ctx, "seq1", "")
	h := r.NewHedge(nil, nil)
	assert.True(t, h.IsHedge())
	assert.False(t, r.IsHedge())
	assert.False(t, h.Fresh())
	assert.True(t, h.Tried("seq1"))
	assert.Zero(t, h.Newest())
	require.True(t, h.Picked(ctx, "seq2", "b:2"))
	assert.True(t, r.Tried("seq2"))
	assert.Equal(t, Spent, h.MayTry(), "it is one attempt")
	assert.Equal(t, Try, r.MayTry())
	assert.Equal(t, 2, h.Newest().Number)
	assert.True(t, h.Newest().Hedge)
	assert.Equal(t, 1, r.Newest().Number, "that of the call itself")

	second := r.NewHedge(nil, nil)
	require.True(t, second.Picked(ctx, "seq3", ""))
	assert.Equal(t, Spent, r.MayTry())
	assert.Equal(t, Spent, r.NewHedge(nil, nil).MayTry())

	h.Done(balancer.DoneInfo{}) // grpc could not use it
	assert.False(t, r.Tried("seq2"))
	assert.Equal(t, Try, r.MayTry())
	assert.Zero(t, h.Newest())
	second.Done(answered)
	r.Done(canceled)
	assert.Equal(t, []Attempt{{Endpoint: "seq1", Err: canceled.Err, Sent: true}, {Endpoint: "seq3", Sent: true}}, h.Attempts())
}

func TestTheBudgetOfHedgesIsAskedOnceAnEndpointIsFound(t *testing.T) {
	r, ctx := hedgeable(t)
	allowed := false
	require.True(t, r.Picked(ctx, "seq1", ""), "the call itself needs none")
	h := r.NewHedge(func() bool { return allowed }, nil)
	assert.False(t, h.Picked(ctx, "seq2", ""))
	assert.False(t, r.Tried("seq2"))
	allowed = true
	assert.True(t, h.Picked(ctx, "seq2", ""))
}

func TestARecordTravelsInAnyNumberOfContexts(t *testing.T) {
	r := &Record{Method: hedge.NewDelays(ms).Of("")}
	type other struct{}
	base := context.WithValue(t.Context(), other{}, 7)
	first := NewContext(base, r)
	second := NewContext(t.Context(), r)
	assert.Same(t, r, From(first))
	assert.Same(t, r, From(second))
	assert.Equal(t, 7, first.Value(other{}))
	assert.Nil(t, second.Value(other{}))
	assert.True(t, Carried())
}

func TestAttemptsThatWereBeatenAreKnown(t *testing.T) {
	var none *Record
	assert.False(t, none.Beaten())
	assert.False(t, none.IsHedge())
	r, ctx := hedgeable(t)
	assert.False(t, r.Beaten())
	r.Picked(ctx, "seq1", "")
	first, second := r.NewHedge(nil, nil), r.NewHedge(nil, nil)
	first.Picked(ctx, "seq2", "")
	second.Picked(ctx, "seq3", "")
	first.Done(answered)
	r.Beat(first)
	r.Cancel()
	require.Error(t, ctx.Err())
	assert.True(t, r.Beaten())
	assert.False(t, first.Beaten())
	assert.False(t, second.Beaten(), "it began later")
	r.Done(canceled)
	assert.True(t, r.Attempts()[0].CalledOff)
	assert.False(t, r.Rescued(), "it is not reissued")
	new(Record).Cancel()
}

// A hedge on an endpoint that has become unhealthy may still be answered, and there may be
// no other attempt.
func TestAHedgeIsNotCalledOff(t *testing.T) {
	r, ctx := hedgeable(t)
	r.Allow = func() bool { assert.Fail(t, "asked"); return false }
	r.Picked(ctx, "seq1", "")
	unwell := 0
	h := r.NewHedge(nil, func() { unwell++ })
	h.Rescue("seq2") // it is nowhere yet
	h.Picked(ctx, "seq2", "")
	h.Rescue("seq1")
	assert.Zero(t, unwell)
	h.Rescue("seq2")
	h.Rescue("seq2")
	assert.Equal(t, 1, unwell, "it is said once")
	h.Done(answered)
	assert.False(t, h.Attempts()[1].CalledOff)
	assert.NoError(t, ctx.Err())
	silent := r.NewHedge(nil, nil)
	silent.Picked(ctx, "seq3", "")
	silent.Rescue("seq3")
}

func TestAnotherRoundIsKnownWithoutTheBudget(t *testing.T) {
	r, ctx := hedgeable(t)
	r.Allow = func() bool { return false }
	unavailable := status.Error(codes.Unavailable, "")
	assert.False(t, r.MayAgain(unavailable), "nothing was tried")
	r.Picked(ctx, "seq1", "")
	r.Done(balancer.DoneInfo{Err: unavailable, BytesSent: true})
	assert.True(t, r.MayAgain(unavailable))
	assert.False(t, r.Again(unavailable))
	assert.False(t, r.MayAgain(nil))
	assert.False(t, r.MayAgain(status.Error(codes.NotFound, "")))
}

func TestTheNextHedgeFollowsTheNewestAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := hedgeable(t)
		next := func() time.Duration {
			wait, ok := r.NextHedge(r.Method.Now(), 20*ms)
			require.True(t, ok)
			return wait
		}
		assert.Equal(t, 20*ms, next(), "it waits for an endpoint")
		time.Sleep(ms)
		r.Picked(ctx, "seq1", "")
		time.Sleep(5 * ms)
		assert.Equal(t, 15*ms, next())
		time.Sleep(15 * ms)
		assert.Zero(t, next())
		h := r.NewHedge(nil, nil)
		h.Picked(ctx, "seq2", "")
		assert.Equal(t, 20*ms, next())
		h.Done(balancer.DoneInfo{
			Err: status.Error(codes.Unavailable, ""), BytesSent: true, BytesReceived: true, Trailer: metadata.Pairs(pushbackTrailer, "70"),
		})
		assert.Equal(t, 70*ms, next(), "the server asks for a pause")
		second := r.NewHedge(nil, nil)
		second.Picked(ctx, "seq3", "")
		_, ok := r.NextHedge(r.Method.Now(), 20*ms)
		assert.False(t, ok, "all attempts are made")
	})
}

func TestAServerThatRefusesRetriesEndsHedges(t *testing.T) {
	r, ctx := hedgeable(t)
	r.Picked(ctx, "seq1", "")
	h := r.NewHedge(nil, nil)
	h.Picked(ctx, "seq2", "")
	unavailable := status.Error(codes.Unavailable, "")
	h.Done(balancer.DoneInfo{Err: unavailable, BytesSent: true, BytesReceived: true, Trailer: metadata.Pairs(pushbackTrailer, "-1")})
	_, ok := r.NextHedge(r.Method.Now(), 20*ms)
	assert.False(t, ok)
	r.Done(balancer.DoneInfo{Err: unavailable, BytesSent: true})
	assert.False(t, r.Again(unavailable))
}

func TestAnAttemptTimesOutIfTheCallCanBeReissued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ctx := hedgeable(t)
		allowed := false
		r.Allow = func() bool { return allowed }
		wait, ok := r.TimeOut(50 * ms)
		assert.True(t, ok)
		assert.Equal(t, 50*ms, wait, "it waits for an endpoint")
		r.Picked(ctx, "seq1", "")
		time.Sleep(20 * ms)
		wait, _ = r.TimeOut(50 * ms)
		assert.Equal(t, 30*ms, wait)
		time.Sleep(30 * ms)
		_, ok = r.TimeOut(50 * ms)
		assert.True(t, ok, "the budget may have something left later")
		require.NoError(t, ctx.Err())
		allowed = true
		_, ok = r.TimeOut(50 * ms)
		assert.True(t, ok)
		require.Error(t, ctx.Err())
		assert.True(t, r.Beaten())
		assert.True(t, r.Rescued())
		r.Done(canceled)
		assert.True(t, r.Again(canceled.Err))

		r.Max = 2
		r.Begin(func() { assert.Fail(t, "canceled") })
		r.Picked(ctx, "seq2", "")
		time.Sleep(time.Second)
		_, ok = r.TimeOut(50 * ms)
		assert.False(t, ok, "it is the last attempt")
	})
}

func TestOnlyWhatAWorkingServerAnswersIsAnAnswer(t *testing.T) {
	assert.True(t, IsAnswer(nil))
	assert.True(t, IsAnswer(status.Error(codes.NotFound, "")))
	for _, c := range []codes.Code{codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.ResourceExhausted} {
		assert.False(t, IsAnswer(status.Error(c, "")), c)
	}
	assert.False(t, IsAnswer(errors.New("not a status")))
}

func TestHowLongAttemptsTakeIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := hedge.NewDelays(0).Of("/a.B/C")
		for range 20 {
			r := &Record{Method: m}
			r.Picked(t.Context(), "seq1", "")
			time.Sleep(100 * ms)
			r.Done(answered)
			r.Done(answered) // late, and of no attempt
			void := &Record{Method: m}
			void.Picked(t.Context(), "seq1", "")
			void.Done(balancer.DoneInfo{})
			failed := &Record{Method: m}
			failed.Picked(t.Context(), "seq1", "")
			failed.Done(canceled)
		}
		d, ok := m.Delay(m.Now())
		require.True(t, ok)
		assert.InEpsilon(t, float64(150*ms), float64(d), 0.08)
	})
}

// Whatever happens to the attempts of a call, no more than Max are sent, no hedge goes
// to an endpoint that was tried, and what is asked of the record is consistent.
func TestRescuesRetriesAndHedgesShareOneBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 5).Draw(t, "max")
		r := &Record{Max: most, Rescuable: true, Method: hedge.NewDelays(time.Millisecond).Of("/a.B/C")}
		r.Begin(func() {})
		type lane struct {
			*Record
			open bool
		}
		lanes := []*lane{{Record: r}}
		sent := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			l := rapid.SampledFrom(lanes).Draw(t, "lane")
			switch rapid.SampledFrom([]string{"pick", "hedge", "end", "void", "rescue", "beat"}).Draw(t, "what") {
			case "pick":
				endpoint := rapid.StringMatching("[a-e]").Draw(t, "endpoint")
				if l.open || l.MayTry() != Try || l.IsHedge() && l.Tried(endpoint) {
					continue
				}
				l.Picked(context.Background(), endpoint, "")
				l.open = true
				sent++
			case "hedge":
				if _, ok := r.NextHedge(r.Method.Now(), 0); ok && len(lanes) < 8 {
					lanes = append(lanes, &lane{Record: r.NewHedge(nil, nil)})
				}
			case "end":
				if l.open {
					l.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesSent: true})
					l.open = false
				}
				if l.Record == r && !l.open && r.Again(status.Error(codes.Unavailable, "")) {
					r.Begin(func() {})
				}
			case "void":
				if l.open {
					l.Done(balancer.DoneInfo{})
					l.open = false
					sent--
				}
			case "rescue":
				l.Rescue(l.Newest().Endpoint)
			case "beat":
				if l.IsHedge() && !l.open {
					r.Beat(l.Record)
				}
			}
			if sent > most {
				t.Fatalf("%d attempts of at most %d", sent, most)
			}
			if got := len(r.Attempts()); got != sent {
				t.Fatalf("%d attempts are listed, want %d", got, sent)
			}
			if r.Sent() != (sent > 0) {
				t.Fatalf("sent is %v after %d attempts", r.Sent(), sent)
			}
		}
	})
}

// The error of a hedge may come just before the success of the attempt that it beats.
func TestAnAttemptThatIsAnsweredAfterAllWasNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delays := hedge.NewDelays(0)
		m := delays.Of("/a.B/C")
		for range 50 {
			r := &Record{Method: m}
			r.Picked(t.Context(), "seq1", "")
			h := r.NewHedge(nil, nil)
			h.Picked(t.Context(), "seq2", "")
			time.Sleep(100 * ms)
			r.Beat(h)
			r.Done(answered)
		}
		d, ok := m.Delay(m.Now())
		require.True(t, ok, "the answers count")
		assert.InEpsilon(t, float64(150*ms), float64(d), 0.08)
	})
}

func TestAFailureOfThisProcessIsNoAnswer(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "no token")
	r := new(Record)
	r.Picked(t.Context(), "seq1", "")
	r.Done(balancer.DoneInfo{Err: denied})
	assert.False(t, r.Answered(denied))
	r.Picked(t.Context(), "seq1", "")
	r.Done(balancer.DoneInfo{Err: denied, BytesSent: true, BytesReceived: true})
	assert.True(t, r.Answered(denied))
	assert.False(t, r.Answered(status.Error(codes.Unavailable, "")))
}
