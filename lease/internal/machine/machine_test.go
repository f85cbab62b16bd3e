package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/lease/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const at = -1000 * time.Second // clocks may show anything

var params = Params{
	Holder: "me", TTL: 10 * time.Second, Margin: time.Second, Renew: 3 * time.Second, Poll: time.Second,
	Timeout: 2 * time.Second, Stuck: time.Second / 2,
}

// walk takes the steps, each of which says at what time after the start it happens.
func walk(t *testing.T, s State, events ...Event) (State, Effects) {
	t.Helper()
	var f Effects
	for _, e := range events {
		e.At += at
		if e.Kind == Answered && e.Number == 0 {
			e.Number = s.number
		}
		s, f = s.Next(e)
		require.True(t, f.Finish || f.Wake > e.At, "it wakes later")
	}
	return s, f
}

func answer(after time.Duration, o Outcome, r store.Record) Event {
	return Event{Kind: Answered, At: after, Outcome: o, Record: r}
}

var (
	free   = store.Record{Version: "1"}
	mine   = store.Record{Holder: "me", Token: 1, Version: "2", TTL: 10 * time.Second}
	others = store.Record{Holder: "other", Token: 1, Version: "2", TTL: 10 * time.Second}
)

// holding is a candidate that has the lease until 9 s after the start.
func holding(t *testing.T) State {
	t.Helper()
	s, f := walk(t, New(params), Event{}, answer(0, OK, free), answer(time.Second, OK, mine))
	require.True(t, f.Start)
	until, held := s.Until()
	require.True(t, held)
	require.Equal(t, at+9*time.Second, until)
	return s
}

func TestACandidateReadsAndAcquires(t *testing.T) {
	s, f := walk(t, New(params), Event{})
	assert.Equal(t, Read, f.Request.Kind)
	assert.Equal(t, at+2*time.Second, f.Request.Deadline)
	s, f = walk(t, s, answer(0, OK, free))
	assert.Equal(t, Request{Number: 2, Kind: Acquire, Record: free, Sent: at, Deadline: at + 2*time.Second}, f.Request)
	assert.Equal(t, Acquiring, s.Phase())
}

func TestALeaseEndsAtItsTimeEvenIfAnAnswerComesThen(t *testing.T) {
	s, f := walk(t, holding(t), Event{At: 8 * time.Second})
	require.Equal(t, Renew, f.Request.Kind)
	s, f = walk(t, s, answer(9*time.Second, OK, mine))
	assert.Equal(t, Lost, s.Phase())
	assert.Equal(t, WhyNotRenewed, f.End)
	_, held := s.Until()
	assert.False(t, held)
}

func TestARenewalThatSaysAnotherTokenIsALoss(t *testing.T) {
	s, _ := walk(t, holding(t), Event{At: 3 * time.Second})
	other := mine
	other.Token = 2
	s, f := walk(t, s, answer(4*time.Second, OK, other))
	assert.Equal(t, WhyTaken, f.End)
	assert.Equal(t, []News{{Kind: NewsLost, Why: WhyTaken, Record: mine}}, f.News)
	assert.Equal(t, Lost, s.Phase())
}

func TestAnAnswerThatIsNotAwaitedSaysNothing(t *testing.T) {
	s, _ := walk(t, holding(t), Event{At: 3 * time.Second})
	before, _ := s.Until()
	s, _ = walk(t, s, Event{Kind: Answered, At: 4 * time.Second, Number: 1, Record: others})
	after, held := s.Until()
	assert.True(t, held)
	assert.Equal(t, before, after)
}

func TestAnAcquireThatIsAnsweredAfterItsLeaseHasEndedIsMadeAgain(t *testing.T) {
	slow := params
	slow.Timeout = time.Hour
	s, f := walk(t, New(slow), Event{}, answer(0, OK, free), answer(9*time.Second, OK, mine))
	assert.False(t, f.Start)
	assert.Contains(t, f.News, News{Kind: NewsRefused, Why: WhyLate, Record: mine})
	s, f = walk(t, s, answer(9*time.Second, OK, mine))
	assert.Equal(t, Acquire, f.Request.Kind, "the record is its own")
	again := mine
	again.Token = 2
	_, f = walk(t, s, answer(9*time.Second, OK, again))
	assert.True(t, f.Start)
	assert.Contains(t, f.News, News{Kind: NewsAcquired, Why: WhyOwn, Record: again})
}

func TestARecordWithoutATTLIsWaitedForLikeOnesOwn(t *testing.T) {
	broken := others
	broken.TTL = 0
	s, _ := walk(t, New(params), Event{}, answer(0, OK, broken))
	s, f := walk(t, s, Event{At: 9 * time.Second}, answer(9*time.Second, OK, broken))
	require.Equal(t, Following, s.Phase())
	require.Equal(t, at+10*time.Second, f.Wake)
	s, f = walk(t, s, Event{At: 10 * time.Second})
	assert.Equal(t, Acquire, f.Request.Kind)
	assert.Equal(t, Acquiring, s.Phase())
}

func TestOneThatStopsGivesUpWhatMayBeItsOwn(t *testing.T) {
	unknown, _ := walk(t, New(params), Event{}, answer(0, OK, free), answer(0, Failed, store.Record{}))
	unknown, f := walk(t, unknown, Event{Kind: Stop})
	require.Equal(t, Read, f.Request.Kind)
	for _, c := range []struct {
		name   string
		answer Event
		phase  Phase
	}{
		{"it is", answer(time.Second, OK, mine), Releasing},
		{"it is another's", answer(time.Second, OK, others), Done},
		{"nobody knows", answer(time.Second, Failed, store.Record{}), Done},
	} {
		s, f := walk(t, unknown, c.answer)
		assert.Equal(t, c.phase, s.Phase(), c.name)
		assert.Equal(t, c.phase == Done, f.Finish, c.name)
	}
}

func TestAReleaseIsTriedTwice(t *testing.T) {
	s, f := walk(t, holding(t), Event{Kind: WorkReturned, At: 2 * time.Second})
	require.Equal(t, Release, f.Request.Kind)
	s, f = walk(t, s, answer(2*time.Second, Failed, store.Record{}))
	require.Equal(t, Release, f.Request.Kind)
	s, f = walk(t, s, answer(3*time.Second, Failed, store.Record{}))
	assert.Contains(t, f.News, News{Kind: NewsNotReleased, Record: mine})
	assert.True(t, f.Finish)
	assert.Equal(t, Done, s.Phase())
}

func TestWhatIsOverStaysSo(t *testing.T) {
	s, f := walk(t, New(params), Event{Kind: Stop})
	require.True(t, f.Finish)
	for kind := Tick; kind <= Stop; kind++ {
		s, f = walk(t, s, Event{Kind: kind, At: time.Hour})
		assert.True(t, f.Finish)
		assert.Zero(t, f.Request)
		assert.Equal(t, Done, s.Phase())
	}
}

func TestAnEndOfWorkThatIsNotExpectedIsIgnored(t *testing.T) {
	s, _ := walk(t, New(params), Event{}, Event{Kind: WorkReturned})
	assert.Equal(t, Following, s.Phase())
	assert.False(t, s.Failing())
	assert.Zero(t, s.Seen())
}

func TestWorkThatWindsDownHasATTLBeforeItIsCalledStuck(t *testing.T) {
	s, f := walk(t, holding(t), Event{Kind: Stop, At: 2 * time.Second})
	require.Equal(t, WhyStopped, f.End)
	for after := 3 * time.Second; after < 12*time.Second; after += time.Second {
		s, f = walk(t, s, Event{At: after})
		require.Empty(t, f.News)
		s, f = walk(t, s, answer(after, OK, mine))
		require.Empty(t, f.News)
	}
	s, f = walk(t, s, Event{At: 12 * time.Second})
	assert.Equal(t, []News{{Kind: NewsStuck, Record: mine}}, f.News)
	s, f = walk(t, s, Event{At: 12500 * time.Millisecond})
	assert.Empty(t, f.News, "once")
	assert.Equal(t, Draining, s.Phase())
}

func TestAStoreThatCanOnlyBeReadFailsUntilTheRecordChangesOrIsWritten(t *testing.T) {
	failing, f := walk(t, New(params), Event{}, answer(0, OK, free), answer(0, Failed, store.Record{}))
	require.Contains(t, f.News, News{Kind: NewsFailing})
	for second := time.Second; second < 5*time.Second; second += time.Second {
		s, f := walk(t, failing, Event{At: second})
		require.Equal(t, Read, f.Request.Kind)
		s, f = walk(t, s, answer(second, OK, free))
		require.Equal(t, Acquire, f.Request.Kind)
		assert.NotContains(t, f.News, News{Kind: NewsAnswering})
		assert.True(t, s.Failing())
		failing, f = walk(t, s, answer(second, Failed, store.Record{}))
		assert.Empty(t, f.News)
	}
	failing, f = walk(t, failing, Event{At: 5 * time.Second})
	require.Equal(t, Read, f.Request.Kind)
	unreadable, f := walk(t, failing, answer(5*time.Second, Failed, store.Record{}), Event{At: 6 * time.Second})
	require.Equal(t, Read, f.Request.Kind)
	unreadable, _ = walk(t, unreadable, answer(6*time.Second, OK, free))
	assert.True(t, unreadable.Failing(), "the write is what counts")

	s, f := walk(t, failing, answer(5*time.Second, OK, others))
	assert.Contains(t, f.News, News{Kind: NewsAnswering}, "another candidate has written")
	assert.False(t, s.Failing())
	s, _ = walk(t, failing, answer(5*time.Second, OK, free))
	s, f = walk(t, s, answer(5*time.Second, OK, mine))
	assert.Contains(t, f.News, News{Kind: NewsAnswering})
	assert.False(t, s.Failing())
}

// A store that refuses to replace the very record that it shows, again and again, is asked no more often
// than any other one that fails, and reported.
func TestAStoreThatRefusesTheRecordThatItShowsFails(t *testing.T) {
	s, f := walk(t, New(params), Event{}, answer(0, OK, free))
	for i := range 2 {
		require.Equal(t, Acquire, f.Request.Kind)
		s, f = walk(t, s, answer(0, Conflict, store.Record{}))
		require.Equal(t, Read, f.Request.Kind, "at once: another candidate may have it")
		require.Empty(t, f.News, i)
		s, f = walk(t, s, answer(0, OK, free))
	}
	s, f = walk(t, s, answer(0, Conflict, store.Record{}))
	assert.Contains(t, f.News, News{Kind: NewsFailing})
	assert.True(t, s.Failing())
	assert.Zero(t, f.Request)
	assert.Greater(t, f.Wake, at)
	s, _ = walk(t, s, Event{At: time.Second}, answer(time.Second, OK, free))
	s, f = walk(t, s, answer(time.Second, OK, mine))
	assert.Contains(t, f.News, News{Kind: NewsAnswering})
	assert.Equal(t, Holding, s.Phase())

	// Others who come and go between are another matter.
	s, _ = walk(t, New(params), Event{}, answer(0, OK, free))
	for range 10 {
		s, _ = walk(t, s, answer(0, Conflict, store.Record{}), answer(0, OK, others))
		require.False(t, s.Failing())
		s, f = walk(t, s, Event{Kind: Changed, Now: &free})
		require.Equal(t, Acquire, f.Request.Kind)
	}
}

func TestARecordThatTheStoreRemovesIsNotReplaced(t *testing.T) {
	kept := others
	kept.Expires = true
	s, _ := walk(t, New(params), Event{}, answer(0, OK, kept))
	s, f := walk(t, s, Event{At: time.Hour}, answer(time.Hour, OK, kept))
	assert.Equal(t, Following, s.Phase())
	assert.Zero(t, f.Request)
	_, f = walk(t, s, Event{Kind: Changed, At: time.Hour}, answer(time.Hour, OK, store.Record{Expires: true}))
	assert.Equal(t, Acquire, f.Request.Kind)
}

func TestOneThatYieldsGoesOnAsACandidate(t *testing.T) {
	s, f := walk(t, holding(t), Event{Kind: Yield, At: 2 * time.Second})
	require.Equal(t, WhyYielded, f.End)
	_, held := s.Until()
	require.True(t, held, "until its work has returned")
	s, f = walk(t, s, Event{Kind: WorkReturned, At: 2 * time.Second})
	require.Equal(t, Release, f.Request.Kind)
	require.Equal(t, []News{{Kind: NewsReleased, Why: WhyYielded, Record: mine}}, f.News)
	s, f = walk(t, s, answer(2*time.Second, OK, store.Record{}))
	assert.False(t, f.Finish)
	assert.Equal(t, Following, s.Phase())
	assert.Equal(t, Read, f.Request.Kind)
}

func TestALeaseThatIsFreeIsLeftToOthersForTheDelay(t *testing.T) {
	s, _ := walk(t, New(params), Event{Kind: Defer, Delay: time.Second / 2}, answer(0, OK, free))
	require.Equal(t, Following, s.Phase())
	_, f := walk(t, s, Event{At: time.Second / 2})
	require.Equal(t, Acquire, f.Request.Kind)
	s, _ = walk(t, New(params), Event{Kind: Defer, Delay: -1}, answer(0, OK, free), Event{At: time.Hour}, answer(time.Hour, OK, free))
	assert.Equal(t, Following, s.Phase(), "and for good, if it is below zero")
}

func TestAHintThatComesDuringAReadIsFollowedByAnotherRead(t *testing.T) {
	s, _ := walk(t, New(params), Event{}, Event{Kind: Changed}, answer(0, OK, others), answer(0, OK, others))
	s, f := walk(t, s, Event{At: 3 * time.Second}, Event{Kind: Changed, At: 3 * time.Second})
	require.Zero(t, f.Request, "one at a time")
	s, f = walk(t, s, answer(3*time.Second, OK, others))
	require.Equal(t, Read, f.Request.Kind, "the first read may have been answered before the change")
	s, f = walk(t, s, answer(3*time.Second, OK, others))
	assert.Zero(t, f.Request, "once")
	_, f = walk(t, s, Event{Kind: Changed, At: 4 * time.Second}, Event{Kind: Changed, At: 4 * time.Second}, answer(4*time.Second, OK, free))
	assert.Equal(t, Acquire, f.Request.Kind, "at once, if the read shows that the lease is free")
}

func TestACandidateWhoseWatchEndsReadsWithinThePollInterval(t *testing.T) {
	s, _ := walk(t, New(params), Event{}, Event{Kind: Changed}, answer(0, OK, others), answer(0, OK, others))
	_, f := walk(t, s, Event{Kind: WatchEnded, At: time.Second / 2})
	assert.LessOrEqual(t, f.Wake, at+time.Second/2+params.Poll)
}

func TestARecordThatComesWithAHintNeedsNoRead(t *testing.T) {
	hint := func(after time.Duration, r store.Record) Event { return Event{Kind: Changed, At: after, Now: &r} }
	s, _ := walk(t, New(params), Event{}, answer(0, OK, others))
	s, f := walk(t, s, hint(time.Second/2, free))
	assert.Equal(t, Acquire, f.Request.Kind)
	assert.Equal(t, free, f.Request.Record)
	s, _ = walk(t, s, answer(time.Second/2, Conflict, store.Record{}), answer(time.Second/2, OK, others))
	again := others
	again.Version = "3"
	s, f = walk(t, s, hint(time.Second, again))
	assert.Zero(t, f.Request)
	assert.Equal(t, at+time.Second+params.Renew*8/10, f.Wake, "the wait begins anew")
	s, _ = walk(t, s, Event{At: 4 * time.Second})
	s, f = walk(t, s, hint(4*time.Second, free), answer(4*time.Second, OK, again))
	assert.Equal(t, Read, f.Request.Kind, "it came during a read, which may be newer or older")
	assert.Equal(t, Following, s.Phase())
}

func TestACandidateThatIsNotifiedPollsWhileARenewalIsDue(t *testing.T) {
	due := func(r store.Record) time.Duration {
		s, _ := walk(t, New(params), Event{}, Event{Kind: Changed}, answer(0, OK, r), answer(0, OK, r))
		_, f := walk(t, s, Event{At: 3 * time.Second}, answer(3*time.Second, OK, r))
		return f.Wake - at
	}
	assert.Equal(t, 4*time.Second, due(others), "a renewal that comes late is seen within the poll interval")
	left := others
	left.Expires = true
	assert.Equal(t, 3*time.Second+params.Renew*8/10, due(left), "the store does not show renewals")
}
