package balancer_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"

	lb "github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

const leastLoaded = `{"loadBalancingConfig":[{"healthy_least_loaded":{}}]}`

// spreadOverTime makes a call each time that pause has passed, whether or not the ones
// before have ended, and returns how many each server answered.
func spreadOverTime(t *testing.T, conn grpc.ClientConnInterface, calls int, pause time.Duration) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := make(map[string]int)
	for range calls {
		wg.Go(func() {
			name, err := lbtest.ServedBy(testkit.Context(t), conn)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				name = err.Error()
			}
			seen[name]++
		})
		pass(pause)
	}
	wg.Wait()
	return seen
}

func TestLeastLoadedIsRegisteredUnderItsName(t *testing.T) {
	b := balancer.Get(lb.LeastLoadedName)
	require.NotNil(t, b)
	assert.Equal(t, "healthy_least_loaded", b.Name())
	_, err := b.(balancer.ConfigParser).ParseConfig([]byte(`{"slowStart": "5s"}`))
	require.NoError(t, err)
	_, err = b.(balancer.ConfigParser).ParseConfig([]byte(`{"slowstart": "5s"}`))
	require.ErrorContains(t, err, "slowstart: want a known key")
}

func TestASlowServerGetsFewCallsOnAPlainChannel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		for i := range 3 {
			c.Server(i).SetLatency(5 * time.Millisecond)
		}
		conn := dial(t, c, leastLoaded)
		settled(t, conn)
		for name, n := range spreadOverTime(t, conn, 600, 2*time.Millisecond) {
			assert.InDelta(t, 200, n, 60, name)
		}
		c.Server(1).SetLatency(50 * time.Millisecond)
		assert.Less(t, spreadOverTime(t, conn, 1000, 2*time.Millisecond)["server1"], 20)
	})
}

func TestLeastLoadedSkipsServersThatAreOutAndTriesThemAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		conn := dial(t, c, leastLoaded)
		settled(t, conn)
		c.Server(0).SetServing("", false)
		c.Kill(2)
		pass(time.Second)
		assert.Equal(t, map[string]int{"server1": 50}, spreadOverTime(t, conn, 50, time.Millisecond))
		c.Server(0).SetServing("", true)
		c.Restart(2)
		pass(15 * time.Second)
		assert.Len(t, spreadOverTime(t, conn, 300, time.Millisecond), 3)

		c.Server(1).FailCalls(codes.Unavailable, "")
		failed := 0
		for range 10 {
			for text, n := range spreadOverTime(t, conn, 300, time.Millisecond) {
				if text != "server0" && text != "server2" {
					failed += n
				}
			}
		}
		assert.Positive(t, failed)
		assert.Less(t, failed, 15, "of 3,000 calls")
	})
}
