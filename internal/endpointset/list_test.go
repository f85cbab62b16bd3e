package endpointset

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
)

var errRefused = errors.New("connection refused")

// grpc: TestRoundRobin_Basic.
func TestCallsGoToEveryEndpointInTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		assert.Equal(t, connectivity.Connecting, f.state())
		assert.True(t, f.waits())
		f.up("a", "b", "c")
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"a", "b", "c"}, f.picked())
	})
}

// grpc: TestRoundRobin_AddressesRemoved, TestPickFirst_ZeroAddresses_WithPreviousUpdate,
// TestPickFirstLeaf_EmptyAddressList.
func TestAnEmptyListIsRefusedAndTheNextOneServes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		assert.Equal(t, balancer.ErrBadResolverState, f.push(), "before any list")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		require.NoError(t, f.push("a"))
		assert.Equal(t, connectivity.Connecting, f.state())
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())

		old := f.conn("a")
		assert.Equal(t, balancer.ErrBadResolverState, f.push(), "some parents compare with ==")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Equal(t, "the resolver gave an empty list: no endpoints to pick from", f.refusal())
		assert.True(t, old.isShutdown(), "nobody is left to wait for")
		assert.Contains(t, f.set.Status().Notes, "the newest list is not in effect: "+wanted.ErrNone.Error())

		require.NoError(t, f.push("b"))
		assert.Equal(t, connectivity.Connecting, f.state())
		assert.True(t, f.waits())
		f.up("b")
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Empty(t, f.set.Status().Notes)
	})
}

// grpc: TestRoundRobin_NewAddressWhileBlocking.
func TestANewEndpointEndsTroubleWithTheOldOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.down(errRefused, "a")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		require.NoError(t, f.push("a", "b"))
		assert.True(t, f.waits(), "there is hope again")
		f.up("b")
		assert.Equal(t, []string{"b"}, f.picked())
	})
}

// grpc: TestPickFirst_ResolverError_NoPreviousUpdate.
func TestAResolverErrorBeforeAnyListFailsCallsWithItsText(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.resolverError(errors.New("no such host"))
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Contains(t, f.refusal(), "no such host")
		f.resolverError(errors.New("another reason"))
		assert.Contains(t, f.refusal(), "another reason")
		require.NoError(t, f.push("a"))
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

// grpc: TestPickFirst_ResolverError_WithPreviousUpdate_Ready, _Connecting and
// _TransientFailure.
func TestAResolverErrorAfterAGoodListChangesNothingButTheText(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.resolverError(errors.New("while connecting"))
		assert.Equal(t, connectivity.Connecting, f.state())
		assert.True(t, f.waits())

		f.up("a")
		f.resolverError(errors.New("while ready"))
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Len(t, f.all(), 1, "the connection is kept")
		assert.Contains(t, f.set.Status().Notes, "the newest list is not in effect: while ready")

		f.down(errRefused, "a")
		f.down(errRefused, "a")
		assert.Equal(t, connectivity.TransientFailure, f.state())
		f.resolverError(errors.New("while failing"))
		assert.Equal(t, connectivity.TransientFailure, f.state())
		assert.Contains(t, f.refusal(), "connection refused")
		assert.Contains(t, f.refusal(), "; the resolver: while failing")

		require.NoError(t, f.push("a"))
		assert.NotContains(t, f.refusal(), "resolver", "a good list clears it")
	})
}

// A status error would end the calls that are willing to wait.
func TestAResolversStatusErrorDoesNotReachCallsAsAStatus(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.resolverError(status.Error(codes.NotFound, "no\nsuch\x00name"))
		_, err := f.pick()
		require.Error(t, err)
		_, isStatus := status.FromError(err)
		assert.False(t, isStatus, "%T", err)
		assert.Contains(t, err.Error(), "no such?name")
	})
}

// grpc: TestPickFirst_DuplicateAddrs.
func TestDuplicatesUnderAForeignResolverMerge(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "a", "a"))
		assert.Len(t, f.all(), 2)
		f.up("a", "b")
		assert.Equal(t, []string{"a", "b"}, f.picked())
	})
}

func TestTheSameAddressUnderAnotherServerNameIsAnEndpointOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(
			grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: "a", ServerName: "x"}}},
			grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: "a", ServerName: "y"}}},
		))
		require.Len(t, f.live("a"), 2)
		var names []string
		for _, e := range f.set.Status().Endpoints {
			names = append(names, e.Name)
		}
		assert.Equal(t, []string{"a", "a (y)"}, names)
		for _, sc := range f.live("a") {
			sc.become(connectivity.Ready, nil)
		}
		synctest.Wait()
		seen := make(map[string]bool)
		for range 2 {
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			seen[r.SubConn.(*fakeSubConn).address.ServerName] = true
			r.Done(balancer.DoneInfo{})
		}
		assert.Len(t, seen, 2, "both are picked")
	})
}

// grpc: TestPickFirstLeaf_IdenticalLists, _ActiveBackendInUpdatedList.
func TestAnIdenticalListMakesNoNewSubConn(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		_, err := f.pick()
		require.NoError(t, err)
		require.NoError(t, f.push("a", "b"))
		require.NoError(t, f.push("b", "a"))
		synctest.Wait()
		assert.Len(t, f.all(), 2)
		assert.Len(t, f.live(), 2)
		assert.Equal(t, 1, f.server("a").watchCalls(""), "the probes go on")
		assert.Equal(t, []string{"a", "b"}, f.picked())
		assert.Equal(t, uint64(61), f.status("a").Calls.Picked+f.status("b").Calls.Picked, "counters survive")
		assert.Equal(t, "b", f.set.Status().Endpoints[0].Name, "the order of the list is that of the newest")
	})
}

type key struct{}

func withAttributes(v string) grpcresolver.Endpoint {
	return grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: "a", Attributes: attributes.New(key{}, v)}}}
}

// grpc: TestPickFirst_AddressUpdateWithAttributes, TestRoundRobin_UpdateAddressAttributes.
func TestAChangedAddressAttributeMeansANewConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(withAttributes("1")))
		f.up("a")
		old := f.conn("a")
		require.NoError(t, f.pushEndpoints(withAttributes("1")))
		assert.Len(t, f.all(), 1, "equal attributes")

		require.NoError(t, f.pushEndpoints(withAttributes("2")))
		require.Len(t, f.all(), 2)
		assert.False(t, old.isShutdown(), "it serves until the new one is decided")
		assert.Equal(t, []string{"a"}, f.picked())
		fresh := f.all()[1]
		assert.Equal(t, "2", fresh.address.Attributes.Value(key{}))
		fresh.become(connectivity.Ready, nil)
		synctest.Wait()
		assert.True(t, old.isShutdown())
		r, err := f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		assert.Same(t, fresh, r.SubConn)
		r.Done(balancer.DoneInfo{})
	})
}

// grpc: TestPickFirst_AddressUpdateWithBalancerAttributes, _WithMetadata.
func TestBalancerAttributesMetadataAndEndpointAttributesKeepTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		require.NoError(t, f.pushEndpoints(grpcresolver.Endpoint{
			Addresses:  []grpcresolver.Address{{Addr: "a", BalancerAttributes: attributes.New(key{}, 1), Metadata: "m"}},
			Attributes: attributes.New(key{}, 2),
		}))
		assert.Len(t, f.all(), 1)
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

// grpc: TestPickFirstLeaf_DisjointLists; here the old ones stay until the new
// ones are decided.
func TestDisjointListsAreMadeBeforeTheyAreBroken(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		require.NoError(t, f.push("c", "d"))
		assert.Equal(t, connectivity.Ready, f.state())
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.up("c")
		assert.Equal(t, []string{"a", "b", "c"}, f.picked(), "d is not decided yet")
		f.down(errRefused, "d")
		assert.Equal(t, []string{"c"}, f.picked())
		assert.Empty(t, f.live("a", "b"))
		assert.Len(t, f.set.Status().Endpoints, 2)
	})
}

func TestAnEndpointThatIsNeverDecidedKeepsTheOthersForFiveSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.setWatched(true) // grpc's own health check of b never gets an answer
		require.NoError(t, f.push("b", "c"))
		f.up("b")
		f.setWatched(false)
		f.up("c")
		time.Sleep(machine.MostProving - time.Millisecond)
		assert.Equal(t, []string{"a", "c"}, f.picked())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		assert.Empty(t, f.live("a"))
		assert.Equal(t, []string{"c"}, f.picked())
	})
}

// An endpoint that leaves while it is still undecided must not be counted
// twice, or a later list is not waited for.
func TestAnEndpointThatLeavesUndecidedDoesNotSpoilLaterUpdates(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.setWatched(true) // and never answers
		require.NoError(t, f.push("a", "b"))
		f.up("b")
		require.NoError(t, f.push("a", "c"))
		f.up("c")
		time.Sleep(machine.MostProving + time.Millisecond)
		synctest.Wait()
		assert.Empty(t, f.live("b"))

		f.setWatched(false)
		require.NoError(t, f.push("d")) // a leaves, d comes
		assert.Equal(t, []string{"a"}, f.picked(), "a serves until d is decided")
		f.up("d")
		assert.Equal(t, []string{"d"}, f.picked())
		assert.Empty(t, f.live("a"))
	})
}

func TestAnEndpointThatLeavesUndecidedHoldsNobodyUp(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		require.NoError(t, f.push("a", "b"))
		require.NoError(t, f.push("c"))
		f.up("c")
		assert.Equal(t, []string{"c"}, f.picked())
		assert.Empty(t, f.live("a", "b"), "c is decided, and b matters no more")
	})
}

func TestAnEndpointThatIsListedAgainKeepsItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		require.NoError(t, f.push("b"))
		require.NoError(t, f.push("a"))
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Len(t, f.live(), 1)
		assert.Len(t, f.all(), 2)
		assert.Nil(t, f.set.Status().Handover)
		assert.Equal(t, uint64(60), f.status("a").Calls.Picked)
	})
}

func TestANewHealthCheckIsInForceForEveryEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.server("a").says("orders", notServing())
		f.cfg.HealthCheck.Service = "orders"
		require.NoError(t, f.push("a"))
		assert.Equal(t, []string{"a"}, f.picked(), "by the old configuration, until the new one has a verdict")
		f.live("a")[1].become(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked(), "and as long as the new one speaks against all")
		assert.Equal(t, report.StateUnhealthy, f.status("a").State)
		f.server("a").says("orders", serving())
		time.Sleep(5 * time.Second)
		assert.Equal(t, report.StateHealthy, f.status("a").State)
		assert.Len(t, f.live("a"), 1)
		f.server("a").says("orders", notServing())
		assert.Contains(t, f.refusal(), "a unhealthy (not_serving")
	})
}

func TestAChangedPolicyForNoneEligibleKeepsTheConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.server("a").set(notServing())
		f.up("a")
		assert.Contains(t, f.refusal(), "not_serving")
		f.cfg.NoneEligible = settings.FailOpen
		require.NoError(t, f.push("a"))
		assert.Equal(t, []string{"a"}, f.picked())
		f.cfg.NoneEligible = settings.Wait
		require.NoError(t, f.push("a"))
		assert.True(t, f.waits())
		assert.Len(t, f.all(), 1)
	})
}

// An update without a configuration keeps the one in force.
func TestAnUpdateWithoutAConfigurationKeepsTheOneInForce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		for _, config := range []balancer.ClientConnState{{}, {BalancerConfig: (*settings.Config)(nil)}} {
			config.ResolverState.Endpoints = endpointsOf("a")
			require.NoError(t, f.set.UpdateClientConnState(config))
		}
		assert.Len(t, f.all(), 1)
		assert.Equal(t, "connectivity only", f.status("a").Probe.Target)
	}, withoutChecks)
}

// A timer that has fired but comes too late belongs to an earlier update.
func TestTheEndOfAnEarlierWaitDoesNotEndALaterOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.setWatched(true) // and never answers
		require.NoError(t, f.push("b"))
		f.up("b")
		time.Sleep(machine.MostProving - time.Millisecond)
		f.set.scope.Lock()
		time.Sleep(time.Millisecond) // the wait ends, and its end has to wait for the lock
		b := f.set.list[0]
		b.drained = true
		b.applyLocked() // decided: a goes
		b.drained = false
		b.applyLocked()
		f.set.replaceLocked([]wanted.Endpoint{{Name: "c", Addrs: []grpcresolver.Address{{Addr: "c"}}}})
		f.set.scope.Unlock()
		synctest.Wait()
		f.set.scope.Lock()
		defer f.set.scope.Unlock()
		assert.NotNil(t, f.set.list[0].joins)
		assert.Len(t, f.set.handover.old, 1)
	})
}
