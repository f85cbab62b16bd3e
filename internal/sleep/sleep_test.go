package sleep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestForWaitsUntilTheTimeIsOverOrTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.True(t, For(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))

		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.False(t, For(ctx, time.Minute))
		assert.Equal(t, time.Second, time.Since(began))
		assert.False(t, For(ctx, 0), "the context has ended")
		assert.True(t, For(t.Context(), -1), "it does not wait")
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestContextReturnsTheErrorOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, Context(ctx, time.Second))
		assert.ErrorIs(t, Context(ctx, time.Hour), context.DeadlineExceeded)
	})
}

func TestUntilReportsWhetherTheChannelIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(done) })
		assert.True(t, Until(ctx, done))
		assert.False(t, Until(ctx, make(chan struct{})))
		assert.True(t, Until(ctx, done), "although the context has ended, too")
	})
}
