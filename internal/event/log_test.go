package event

import (
	"context"
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

// However appends and reads are mixed, a reader receives each event once or learns
// that it is gone, and always gets the newest.
func TestNoEventIsReadTwiceOrLostInSilence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog[int](rapid.IntRange(1, 5).Draw(t, "most"))
		r := l.Reader()
		sent, seen := 0, 0
		for _, n := range rapid.SliceOf(rapid.IntRange(1, 9)).Draw(t, "bursts") {
			for range n {
				l.Append(sent)
				sent++
			}
			events, missed, err := r.Next(context.Background())
			require.NoError(t, err)
			seen += int(missed)
			for _, e := range events {
				require.Equal(t, seen, e)
				seen++
			}
			require.Equal(t, sent, seen)
		}
	})
}
