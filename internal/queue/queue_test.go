package queue_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ExampleQueue() {
	var q queue.Queue
	for i := range 3 {
		q.Do(func() { fmt.Println(i) })
	}
	q.Close(0)
	// Output:
	// 0
	// 1
	// 2
}

func TestEverythingIsDoneOnceAndInOrder(t *testing.T) {
	var q queue.Queue
	var wg sync.WaitGroup
	var done [4][]int
	for i := range done {
		wg.Go(func() {
			for n := range 1000 {
				assert.True(t, q.Do(func() { done[i] = append(done[i], n) }))
			}
		})
	}
	wg.Wait()
	q.Wait()
	for _, d := range done {
		assert.Len(t, d, 1000)
		assert.IsIncreasing(t, d)
	}
	assert.True(t, q.Close(0))
	assert.True(t, q.Close(time.Second))
}

func TestAClosedQueueFinishesWhatItHasAndTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue.Queue
		release := make(chan struct{})
		finished := false
		q.Do(func() {
			<-release
			q.Do(func() { assert.Fail(t, "it is closed") })
		})
		q.Do(func() { finished = true })
		assert.False(t, q.Close(time.Second), "it is patient, but not for ever")
		assert.False(t, q.Do(func() {}))
		q.Wait() // for nothing
		close(release)
		assert.True(t, q.Close(0))
		assert.True(t, finished)
		assert.Equal(t, uint64(3), q.Missed())
	})
}

func TestAFullQueueRefuses(t *testing.T) {
	q := queue.Queue{Most: 2}
	begun, release := make(chan struct{}), make(chan struct{})
	q.Do(func() { close(begun); <-release })
	<-begun
	assert.True(t, q.Do(func() {}))
	assert.True(t, q.Do(func() {}))
	assert.False(t, q.Do(func() {}))
	close(release)
	assert.True(t, q.Close(0))
	assert.Equal(t, uint64(1), q.Missed())
}
