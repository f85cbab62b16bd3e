package endpointset

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/resolver"
)

// pushOurs gives the set a list of our own resolver.
func (f *fixture) pushOurs(t *testing.T, list ...resolver.Endpoint) {
	t.Helper()
	var handles []any
	state := ourState(t, &handles, list...)
	f.deliver(func() {
		require.NoError(t, f.set.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: &f.cfg}))
	})
}

// spread picks n times and counts by address.
func (f *fixture) spread(t *testing.T, n int) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for range n {
		addr, err := f.pick()
		require.NoError(t, err)
		seen[addr]++
	}
	return seen
}

func weighing(name string, weight int) resolver.Endpoint {
	return resolver.Endpoint{Name: name, Address: name + ":1", Weight: weight}
}

func TestCallsAreSpreadByWeightExactlyOverEachCycle(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 50), weighing("b", 30), weighing("c", 20))
		f.up("a:1", "b:1", "c:1")
		for range 3 {
			assert.Equal(t, map[string]int{"a:1": 5, "b:1": 3, "c:1": 2}, f.spread(t, 10))
		}
		assert.Equal(t, 50, f.status("a").Weight)

		f.server("a:1").set(notServing())
		assert.Equal(t, map[string]int{"b:1": 3, "c:1": 2}, f.spread(t, 5), "its turns go to the others in proportion")
		f.server("a:1").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, map[string]int{"a:1": 5, "b:1": 3, "c:1": 2}, f.spread(t, 10))
	})
}

func TestAnEndpointWithoutWeightHasWeightOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 0), weighing("b", 2))
		f.up("a:1", "b:1")
		assert.Equal(t, map[string]int{"a:1": 10, "b:1": 20}, f.spread(t, 30))
		assert.Equal(t, 1, f.status("a").Weight)
	})
}

func TestAChangeOfWeightMakesNoNewConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 1), weighing("b", 1))
		f.up("a:1", "b:1")
		assert.Equal(t, map[string]int{"a:1": 6, "b:1": 6}, f.spread(t, 12))
		f.pushOurs(t, weighing("a", 1), resolver.Endpoint{Name: "b", Address: "b:1", Weight: 3, Zone: "eu"})
		assert.Equal(t, map[string]int{"a:1": 3, "b:1": 9}, f.spread(t, 12))
		assert.Equal(t, "eu", f.status("b").Zone)
		f.pushOurs(t, weighing("a", 1), weighing("b", 1))
		assert.Equal(t, map[string]int{"a:1": 6, "b:1": 6}, f.spread(t, 12))
		assert.Len(t, f.all(), 2, "one SubConn each, from beginning to end")
	})
}

// The weights of the old list count until it has left.
func TestAnEndpointThatLeavesKeepsItsShareUntilTheNewOneIsDecided(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 3), weighing("b", 1))
		f.up("a:1", "b:1")
		f.pushOurs(t, weighing("b", 1), weighing("c", 1))
		assert.Equal(t, map[string]int{"a:1": 3, "b:1": 1}, f.spread(t, 4))
		f.up("c:1")
		assert.Equal(t, map[string]int{"b:1": 2, "c:1": 2}, f.spread(t, 4))
	})
}

func TestEqualWeightsNeedNoPlan(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 7), weighing("b", 7))
		f.up("a:1", "b:1")
		synctest.Wait()
		p := f.snapshot()
		assert.Len(t, p.Conns(), 2)
		f.set.scope.Lock()
		defer f.set.scope.Unlock()
		assert.Nil(t, f.set.pub.weights(pick.RowOf(p.Conns())))
	})
}

func TestFailOpenHeedsTheWeights(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 3), weighing("b", 1))
		f.server("a:1").set(notServing())
		f.server("b:1").set(notServing())
		f.up("a:1", "b:1")
		assert.Equal(t, map[string]int{"a:1": 6, "b:1": 2}, f.spread(t, 8))
	}, withPolicy(settings.FailOpen))
}

// Between an endpoint's fall and the next snapshot its turns go to whoever is
// next, and a call never returns to where it has failed.
func TestAStaleWeightedSnapshotSkipsWhoIsOut(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 5), weighing("b", 1))
		f.up("a:1", "b:1")
		synctest.Wait()
		stale := f.last().Picker
		f.server("a:1").set(notServing())
		synctest.Wait()
		for range 6 {
			r, err := stale.Pick(pickInfo())
			require.NoError(t, err)
			assert.Equal(t, "b:1", r.SubConn.(*fakeSubConn).address.Addr)
			r.Done(balancer.DoneInfo{})
		}
	})
}

func TestAWeightedPickAllocatesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 5), weighing("b", 1))
		f.up("a:1", "b:1")
		synctest.Wait()
		p, info := f.last().Picker, pickInfo()
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			r, _ := p.Pick(info)
			r.Done(balancer.DoneInfo{BytesReceived: true})
		}))
	})
}

// tried picks for a call that has tried these endpoints.
func (f *fixture) tried(t *testing.T, names ...string) string {
	t.Helper()
	synctest.Wait()
	r := &attempt.Record{Max: 100}
	r.Begin(func() {})
	for _, name := range names {
		r.Picked(t.Context(), name, "")
	}
	result, err := f.snapshot().Pick(balancer.PickInfo{Ctx: attempt.NewContext(t.Context(), r)})
	require.NoError(t, err)
	result.Done(balancer.DoneInfo{BytesReceived: true})
	return result.SubConn.(*fakeSubConn).address.Addr
}

func TestACallThatIsMadeAgainGoesToALightEndpointRatherThanBackToAHeavyOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushOurs(t, weighing("a", 100), weighing("b", 1))
		f.up("a:1", "b:1")
		for range 5 {
			assert.Equal(t, "b:1", f.tried(t, "a"))
		}
	})
}
