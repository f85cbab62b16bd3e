package event

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestALogKeepsTheNewestEventsInOrder(t *testing.T) {
	l := NewLog[int](3)
	assert.Empty(t, l.Events())
	for i := range 5 {
		l.Append(i)
	}
	assert.Equal(t, []int{2, 3, 4}, l.Events())
}

func TestAReaderGetsWhatComesAfterItWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog[string](10)
		l.Append("before")
		r := l.Reader()
		type answer struct {
			events []string
			missed uint64
		}
		got := make(chan answer, 1)
		go func() {
			events, missed, err := r.Next(t.Context())
			assert.NoError(t, err)
			got <- answer{events, missed}
		}()
		synctest.Wait()
		require.Empty(t, got, "it waits")
		l.Append("a")
		assert.Equal(t, answer{[]string{"a"}, 0}, <-got)
	})
}

func TestASlowReaderHasTheNewestAndIsToldHowManyItMissed(t *testing.T) {
	l := NewLog[int](2)
	r := l.Reader()
	for i := range 7 {
		l.Append(i)
	}
	events, missed, err := r.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{5, 6}, events)
	assert.Equal(t, uint64(5), missed)
}

func TestAReaderEndsWithItsContextOrAfterTheLastEventOfAClosedLog(t *testing.T) {
	l := NewLog[int](2)
	r := l.Reader()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := r.Next(ctx)
	assert.ErrorIs(t, err, context.Canceled)

	l.Append(1)
	l.Close()
	l.Close()
	l.Append(2)
	events, _, err := r.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{1}, events)
	_, _, err = r.Next(t.Context())
	assert.ErrorIs(t, err, ErrClosed)
}

func TestClosingWakesAReaderThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog[int](2)
		ended := make(chan error, 1)
		go func() {
			_, _, err := l.Reader().Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		l.Close()
		assert.ErrorIs(t, <-ended, ErrClosed)
	})
}

func isOdd(n int) bool { return n%2 == 1 }

func TestMinorEventsDisplaceNoMoreThanAQuarterOfTheOthers(t *testing.T) {
	l := NewMixedLog(8, isOdd)
	for i := range 5 {
		l.Append(2 * i)
	}
	r := l.ReaderFrom(0)
	for i := range 100 {
		l.Append(2*i + 1)
	}
	assert.Equal(t, []int{0, 2, 4, 6, 8, 195, 197, 199}, l.Events(), "there is room for more than a quarter")
	for _, n := range []int{20, 22, 24} {
		l.Append(n)
	}
	assert.Equal(t, []int{4, 6, 8, 197, 199, 20, 22, 24}, l.Events())
	events, missed, err := r.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, l.Events(), events)
	assert.Equal(t, uint64(108-8), missed, "in between, too")
	for i := range 100 {
		l.Append(2*i + 1)
		assert.GreaterOrEqual(t, len(slices.DeleteFunc(l.Events(), isOdd)), 6)
	}
}

func TestAReaderBeginsWithHistory(t *testing.T) {
	l := NewLog[int](3)
	for i := range 5 {
		l.Append(i)
	}
	for from, want := range map[uint64]struct {
		events []int
		missed uint64
	}{0: {[]int{2, 3, 4}, 2}, 3: {[]int{3, 4}, 0}, 5: {nil, 0}, 7: {nil, 0}} {
		events, missed := l.ReaderFrom(from).Read()
		assert.Equal(t, want.events, events, "from %d", from)
		assert.Equal(t, want.missed, missed)
	}
	r := l.ReaderFrom(7)
	for i := range 3 {
		l.Append(5 + i)
	}
	events, missed, err := r.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{7}, events, "the first of the wanted ones")
	assert.Zero(t, missed)
	l.Close()
	events, _ = l.ReaderFrom(0).Read()
	assert.Equal(t, []int{5, 6, 7}, events)
	events, _ = r.Read()
	assert.Nil(t, events)
}

// However appends and reads are mixed, a reader receives each event once or learns
// that it is gone, and always gets the newest.
func TestNoEventIsReadTwiceOrLostInSilence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(4, 9).Draw(t, "most")
		l := NewMixedLog(most, isOdd)
		r := l.Reader()
		sent, seen := 0, 0
		for _, n := range rapid.SliceOf(rapid.IntRange(1, 9)).Draw(t, "bursts") {
			for range n {
				l.Append(sent)
				sent++
			}
			events, missed, err := r.Next(context.Background())
			require.NoError(t, err)
			seen += int(missed) + len(events)
			require.Equal(t, sent, seen)
			require.True(t, slices.IsSorted(events))
			require.Equal(t, sent-1, events[len(events)-1])
			require.LessOrEqual(t, len(l.Events()), most)
		}
	})
}
