package pick

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/report"
)

// watcher is an Owner that counts what it is told.
type watcher struct {
	fails, trials, answered int
	against                 []report.Reason
}

func (w *watcher) CallsFail()                          { w.fails++ }
func (w *watcher) AnswerSpeaksAgainst(r report.Reason) { w.against = append(w.against, r) }
func (w *watcher) PickedLate()                         {}
func (w *watcher) TrialEnds(answered bool) {
	w.trials++
	if answered {
		w.answered++
	}
}

// oneOf returns a picker of one eligible connection.
func oneOf(w *watcher, token bool) (*Conn, *Picker) {
	room := NewRoom(nil)
	room.EjectAfter(3)
	c := new(Conn)
	c.Init(room, w, "a", "a:1", token)
	c.SetEligible(true)
	return c, NewPicker(room, RowOf([]*Conn{c}), nil, Snapshot{Trials: []*Conn{c}})
}

var (
	late     = balancer.DoneInfo{Err: status.Error(codes.DeadlineExceeded, ""), BytesSent: true}
	goodCall = balancer.DoneInfo{BytesSent: true, BytesReceived: true}
)

// begin picks for a call with this patience, without and with a record.
func begin(t *testing.T, p *Picker, patience time.Duration, r *attempt.Record) func(balancer.DoneInfo) {
	t.Helper()
	ctx := t.Context()
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		t.Cleanup(cancel)
	}
	if r != nil {
		ctx = attempt.NewContext(ctx, r)
	}
	result, err := p.Pick(balancer.PickInfo{Ctx: ctx})
	require.NoError(t, err)
	return result.Done
}

func recordIf(name string) *attempt.Record {
	if name == "record" {
		return new(attempt.Record)
	}
	return nil
}

func TestAShortDeadlineCountsOnceNothingIsAnsweredAnyMore(t *testing.T) {
	for _, how := range []string{"record", "no record"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(watcher)
				c, p := oneOf(w, false)
				fail := func() {
					done := begin(t, p, 10*time.Millisecond, recordIf(how))
					time.Sleep(10 * time.Millisecond)
					done(late)
				}
				for range 20 {
					fail()
					done := begin(t, p, 0, nil) // patient, and mostly not timed
					time.Sleep(30 * time.Millisecond)
					done(goodCall)
				}
				assert.Zero(t, c.Counts().Failed)
				for range 200 {
					fail()
				}
				assert.Positive(t, c.Counts().Failed)
				assert.Positive(t, w.fails)
				assert.Zero(t, c.Counts().InFlight)
			})
		})
	}
}

func TestTheEndOfATrialIsThatOfItsEvidence(t *testing.T) {
	for _, how := range []string{"record", "no record"} {
		for name, end := range map[string]struct {
			info             balancer.DoneInfo
			trials, answered int
		}{
			"answered":     {goodCall, 1, 1},
			"an app error": {balancer.DoneInfo{Err: status.Error(codes.NotFound, ""), BytesSent: true, BytesReceived: true}, 1, 1},
			"failed":       {balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesSent: true}, 1, 0},
			"not sent":     {balancer.DoneInfo{Err: status.Error(codes.Unauthenticated, "")}, 0, 0},
		} {
			w := new(watcher)
			c, p := oneOf(w, false)
			c.SetTrial(true)
			begin(t, p, 0, recordIf(how))(end.info)
			assert.Equal(t, []int{end.trials, end.answered}, []int{w.trials, w.answered}, "%s, %s", how, name)
		}
	}
}

func TestOnlyTheEndpointsOwnTokenSpeaksAgainstIt(t *testing.T) {
	denied := balancer.DoneInfo{Err: status.Error(codes.Unauthenticated, ""), BytesSent: true, BytesReceived: true}
	for _, own := range []bool{true, false} {
		w := new(watcher)
		_, p := oneOf(w, own)
		begin(t, p, 0, nil)(denied)
		assert.Equal(t, own, len(w.against) == 1)
	}
}

func TestAnEndThatIsReportedTwiceCountsOnce(t *testing.T) {
	c, p := oneOf(new(watcher), false)
	done := begin(t, p, time.Hour, nil)
	done(goodCall)
	done(goodCall)
	assert.EqualValues(t, 1, c.Counts().Heard)
}

func TestACallWithoutAContextIsPickedToo(t *testing.T) {
	c, p := oneOf(new(watcher), false)
	c.SetTrial(true)
	result, err := p.Pick(balancer.PickInfo{})
	require.NoError(t, err)
	result.Done(goodCall)
	assert.EqualValues(t, 1, c.Counts().Heard)
}

// A pick with a deadline allocates nothing, as one without does.
func TestAPickWithADeadlineAllocatesNothing(t *testing.T) {
	_, p := oneOf(new(watcher), false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	info := balancer.PickInfo{Ctx: ctx}
	assert.Less(t, testing.AllocsPerRun(1000, func() {
		r, _ := p.Pick(info)
		r.Done(goodCall)
	}), 0.5, "a collection may empty the pool")
}
