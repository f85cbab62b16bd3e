package endpointset

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/settings"
)

// grpc: TestBlockingPick, TestBlockingPickNoSubAvailable.
func TestCallsWaitBeforeAnyVerdict(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		assert.True(t, f.waits())
		f.conn("a").become(connectivity.Ready, nil)
		f.server("b").set(hanging())
		f.conn("b").become(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked(), "one is enough")
	})
}

// grpc: TestBlockingPickSCNotReady. A pick that comes between the loss and the
// next snapshot must not be given the lost connection again.
func TestAStaleSnapshotSkipsALostConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		stale := f.last().Picker
		f.down(errRefused, "a")
		for range 4 {
			r, err := stale.Pick(pickInfo())
			require.NoError(t, err)
			assert.Equal(t, "b", r.SubConn.(*fakeSubConn).address.Addr)
			r.Done(balancer.DoneInfo{})
		}
		f.down(errRefused, "b")
		_, err := stale.Pick(pickInfo())
		assert.Equal(t, balancer.ErrNoSubConnAvailable, err, "the next snapshot is on its way")
	})
}

// grpc: TestBlockingPickTransientWaitforready: a plain error fails a call that
// does not wait, and lets one wait that does. A status error would end both.
func TestPicksNeverGiveAStatusError(t *testing.T) {
	for _, policy := range []settings.NoneEligible{settings.FailFast, settings.Wait, settings.FailOpen} {
		inBubble(t, func(t *testing.T, f *fixture) {
			check := func(what string) {
				_, err := f.pick()
				if err == nil {
					return
				}
				_, isStatus := status.FromError(err)
				assert.False(t, isStatus, "%s: %v", what, err)
			}
			_ = f.push()
			check("empty list")
			require.NoError(t, f.push("a"))
			check("connecting")
			f.down(status.Error(14, "from the transport"), "a")
			check("failed")
			f.resolverError(status.Error(5, "from the resolver"))
			check("failed, with a resolver error")
		}, withPolicy(policy))
	}
}

func TestFailFastFailsCallsWhileNobodyIsEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.server("a").set(notServing())
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Equal(t, "no eligible endpoint of 1: a unhealthy (not_serving)", f.refusal())
		time.Sleep(12 * time.Second)
		assert.Equal(t, "no eligible endpoint of 1: a unhealthy (not_serving, 12s)", f.refusal())
	}, withPolicy(settings.FailFast))
}

func TestWaitLetsCallsWaitWhileNobodyIsEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.server("a").set(notServing())
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.True(t, f.waits())
		f.server("a").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a"}, f.picked())
	}, withPolicy(settings.Wait))
}

// failingOpen gives the endpoints that are picked although nobody is eligible.
func (f *fixture) failingOpen() []string {
	var names []string
	for _, e := range f.set.Status().Endpoints {
		if e.FailOpen {
			names = append(names, e.Name)
		}
	}
	return names
}

func TestFailOpenPicksAmongTheConnectedWhileNobodyIsEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c", "d"))
		f.up("a", "b", "c")
		f.down(errRefused, "d")
		require.NoError(t, f.set.SetDrained("c", true))
		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked(), "somebody is eligible")
		assert.Empty(t, f.failingOpen())
		f.server("b").set(notServing())
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"a", "b"}, f.picked(), "neither the drained nor the disconnected")
		assert.Equal(t, []string{"a", "b"}, f.failingOpen())
		assert.NotZero(t, f.set.Status().NoneEligibleSince)

		f.server("b").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Zero(t, f.set.Status().NoneEligibleSince)
		assert.Empty(t, f.failingOpen())
	}, withPolicy(settings.FailOpen))
}

// The connected are what counts then, so they must be up to date.
func TestFailOpenFollowsConnectionsAndDrainsOfTheUnhealthy(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.server("a").set(notServing())
		f.server("b").set(notServing())
		f.up("a", "b")
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.conn("a").become(connectivity.TransientFailure, errRefused)
		assert.Equal(t, []string{"b"}, f.picked(), "a call on a dead connection would wait for ever")
		f.awaitTry("a")
		f.up("a")
		assert.Equal(t, []string{"a", "b"}, f.picked())
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, []string{"b"}, f.picked())
		require.NoError(t, f.set.SetDrained("a", false))
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.down(errRefused, "a", "b")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Contains(t, f.refusal(), "no eligible endpoint of 2")
	}, withPolicy(settings.FailOpen))
}

func TestTheTurnSurvivesSnapshots(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		seen := make(map[string]int)
		for range 30 {
			addr, err := f.pick()
			require.NoError(t, err)
			seen[addr]++
			require.NoError(t, f.push("a", "b", "c")) // a new snapshot after each pick
		}
		assert.Equal(t, map[string]int{"a": 10, "b": 10, "c": 10}, seen)
	})
}

// A turn that began at the same place everywhere would send the first calls of
// all clients to one server.
func TestTheTurnBeginsAtRandom(t *testing.T) {
	first := pick.NewRoom(nil).Turn()
	for range 10 {
		if pick.NewRoom(nil).Turn() != first {
			return
		}
	}
	t.Error("eleven turns began at the same place")
}

func TestTheTurnMayOverflow(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.set.room.SetTurn(1<<32 - 5)
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

// Calls that find nobody learn why, and forget it once they have found somebody.
func TestPicksTellTheCallsRecordWhyNobodyWasPicked(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		var record attempt.Record
		info := balancer.PickInfo{Ctx: attempt.NewContext(context.Background(), &record)}
		require.NoError(t, f.push("a"))
		_, err := f.last().Picker.Pick(info)
		require.Equal(t, balancer.ErrNoSubConnAvailable, err)
		assert.EqualError(t, record.Err(), "no eligible endpoint of 1: a connecting")
		f.down(errRefused, "a")
		assert.Contains(t, record.Err().Error(), "connection refused", "as of the time at which it is asked")

		f.awaitTry("a")
		f.up("a")
		r, err := f.last().Picker.Pick(info)
		require.NoError(t, err)
		assert.NoError(t, record.Err())
		stale := f.last().Picker
		f.server("a").set(notServing())
		synctest.Wait()
		_, err = stale.Pick(info)
		require.Equal(t, balancer.ErrNoSubConnAvailable, err)
		assert.EqualError(t, record.Err(), "no eligible endpoint of 1: a unhealthy (not_serving)")
		r.Done(balancer.DoneInfo{})
	})
}

// Between a change for the better and grpc's having the new snapshot, calls wait
// for it rather than fail with a text that names nobody.
func TestARefusalThatIsOverMakesCallsWaitForTheNextSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.down(errRefused, "a")
		refusing := f.last().Picker
		_, err := refusing.Pick(pickInfo())
		require.ErrorContains(t, err, "connection refused")
		asked := false
		f.onUpdate(func(s balancer.State) {
			if s.ConnectivityState == connectivity.Ready {
				asked = true
				_, err = refusing.Pick(pickInfo())
			}
		})
		f.awaitTry("a")
		f.up("a")
		require.True(t, asked)
		assert.Equal(t, balancer.ErrNoSubConnAvailable, err)
	})
}

// A storm of changes becomes few snapshots.
func TestChangesThatComeTogetherArePublishedTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		addrs := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		require.NoError(t, f.push(addrs...))
		for _, a := range addrs {
			f.conn(a).become(connectivity.Ready, nil)
		}
		time.Sleep(link.ProvenAge)
		entered, release := make(chan struct{}), make(chan struct{})
		var first sync.Once
		f.onUpdate(func(balancer.State) {
			first.Do(func() {
				close(entered)
				<-release
			})
		})
		before := f.updates()
		f.conn("a").become(connectivity.Idle, nil)
		<-entered // grpc is busy with a snapshot meanwhile
		for _, a := range addrs[1:] {
			f.conn(a).become(connectivity.Idle, nil)
		}
		close(release)
		synctest.Wait()
		assert.Equal(t, before+2, f.updates())
		assert.True(t, f.waits())
	}, withoutChecks)
}

func TestOnePickAndDoneAllocatesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		p, info := f.last().Picker, pickInfo()
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			r, _ := p.Pick(info)
			r.Done(balancer.DoneInfo{BytesReceived: true})
		}))
	})
}

func TestASnapshotIsNotChangedByWhatComesAfter(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		p := f.snapshot()
		before := p.Conns()
		f.down(errRefused, "a", "b")
		assert.Equal(t, before, p.Conns())
	})
}
