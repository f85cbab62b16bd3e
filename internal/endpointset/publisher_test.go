package endpointset

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where there are many, the flusher rests; but who has waited for the last of them
// need not wait for that as well.
func TestWhenTheLastEndpointIsDecidedTheSnapshotIsPublishedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		addrs := make([]string, 400)
		for i := range addrs {
			addrs[i] = fmt.Sprint("e", i)
		}
		last := len(addrs) - 1
		require.NoError(t, f.push(addrs...))
		f.up(addrs[:last]...)
		time.Sleep(time.Second)
		require.Len(t, f.snapshot().Conns(), last)

		start := time.Now()
		require.NoError(t, f.set.SetDrained(addrs[0], true))
		synctest.Wait() // that is published, and the flusher rests
		require.Len(t, f.snapshot().Conns(), last-1)
		f.up(addrs[last])
		synctest.Wait()
		assert.Len(t, f.snapshot().Conns(), last)
		assert.Zero(t, time.Since(start))
	}, withoutChecks)
}
