package searching_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/searching"
	"github.com/cantonlb/cantonlb/internal/selector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASearchBeginsWithTheBellAndEndsOnceAnEndpointIsPicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var knocks atomic.Int64
		var seeking atomic.Bool
		s := searching.Searcher{
			Wanted: selector.NewBell(),
			Seeks:  func() (bool, time.Duration) { return seeking.Load(), time.Second },
			Knock:  func() []*checking.Checker { knocks.Add(1); return nil },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		time.Sleep(time.Minute)
		assert.EqualValues(t, 0, knocks.Load())
		s.Wanted.Ring()
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, knocks.Load(), "the active endpoint is in doubt, and still picked")
		seeking.Store(true)
		s.Wanted.Ring()
		time.Sleep(time.Second)
		synctest.Wait()
		assert.GreaterOrEqual(t, knocks.Load(), 1+int64(time.Second/searching.KnockEvery))
		seeking.Store(false)
		time.Sleep(searching.KnockEvery)
		found := knocks.Load()
		time.Sleep(time.Minute)
		assert.Equal(t, found, knocks.Load())
		cancel()
		<-done
	})
}
