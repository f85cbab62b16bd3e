package guard

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAwaitReturnsTheResult(t *testing.T) {
	var left Left
	got, err := Await(t.Context(), &left, "f", 1, func() int { return 7 }, nil)
	assert.NoError(t, err)
	assert.Equal(t, 7, got)
	assert.Empty(t, left.String())
}

func TestAResultAtTheEndOfTheContextIsPreferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left Left
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := Await(ctx, &left, "f", 1, func() string { <-ctx.Done(); time.Sleep(Grace / 2); return "late" }, nil)
		assert.NoError(t, err)
		assert.Equal(t, "late", got)
	})
}

func TestCodeThatIgnoresItsContextIsLeftCountedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left Left
		dropped := make(chan int, 9)
		hang := func() int { time.Sleep(time.Hour); return 1 }
		start := time.Now()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := Await(ctx, &left, "the dialer", 2, hang, func(n int) { dropped <- n })
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		assert.Equal(t, 2*(time.Second+Grace), time.Since(start))
		assert.Equal(t, "the dialer (2 times)", left.String())
		_, err := Await(t.Context(), &left, "the dialer", 2, hang, nil)
		var tooMany *LeftError
		assert.ErrorAs(t, err, &tooMany)
		assert.EqualError(t, err, "the dialer has not returned from 2 earlier calls")
		_, err = Await(t.Context(), &left, "another", 2, func() int { return 0 }, nil)
		assert.NoError(t, err)
		time.Sleep(2 * time.Hour)
		assert.Empty(t, left.String())
		assert.Len(t, dropped, 2)
	})
}

func TestAwaitNeverCallsAfterTheEndAndSurvivesPanics(t *testing.T) {
	var left Left
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Await(ctx, &left, "f", 1, func() int { t.Error("called"); return 0 }, nil)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = Await(t.Context(), &left, "f", 1, func() int { panic("no") }, nil)
	assert.ErrorIs(t, err, ErrPanicked)
	assert.NotErrorIs(t, err, context.Canceled)
}

func TestCodeIsLeftOnlyIfItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left Left
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hangs := func(d time.Duration) func() int {
			return func() int { time.Sleep(d); return 1 }
		}
		got, err := AwaitIf(ctx, &left, "it", 3, hangs(5*time.Second), nil, func() bool { return false })
		require.NoError(t, err)
		assert.Equal(t, 1, got)

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = AwaitIf(ctx, &left, "it", 3, hangs(5*time.Second), nil, func() bool { return time.Since(start) > 2*time.Second })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(start), 3*time.Second)
		time.Sleep(5 * time.Second)
	})
}

// A failed assertion of a test ends the goroutine.
func TestCodeThatEndsItsGoroutineHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left Left
		start := time.Now()
		_, err := Await(t.Context(), &left, "it", 3, func() int { runtime.Goexit(); return 1 }, nil)
		require.ErrorIs(t, err, ErrPanicked)
		for range 2 * mostTellings {
			assert.False(t, Tell(&left, "it", runtime.Goexit))
		}
		assert.Zero(t, time.Since(start), "nothing was waited for")
		assert.Empty(t, left.String())
		assert.True(t, Tell(&left, "it", func() {}))
		time.Sleep(time.Second) // the timer of Tell ends
	})
}
