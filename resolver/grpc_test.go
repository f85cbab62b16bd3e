package resolver

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestAPlainTargetReachesEveryServerOfItsListUnderItsOwnAuthority(t *testing.T) {
	net := newServers(t, "a:1", "[::1]:2", "[fe80::1%eth0]:3")
	conn := net.connect(t, "static:///A:1,http://[::1]:2,[fe80::1%25eth0]:3")
	net.callUntil(t, conn, "a:1", "[::1]:2", "[fe80::1%eth0]:3")
	assert.Equal(t, "a:1", net.authorityAt("a:1"))
	assert.Equal(t, "[::1]:2", net.authorityAt("[::1]:2"))
	assert.Equal(t, "[fe80::1]:3", net.authorityAt("[fe80::1%eth0]:3"), "a zone means nothing to a server")
	assert.Equal(t, "static:///A:1,http://[::1]:2,[fe80::1%25eth0]:3", conn.Target())
}

func TestAServerIsCalledByItsServerName(t *testing.T) {
	net := newServers(t, "a:1", "b:1")
	list := newStaticOf(t, []Endpoint{{Address: "a:1", ServerName: "seq1.example"}, {Address: "b:1"}})
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list))
	net.callUntil(t, conn, "a:1", "b:1")
	assert.Equal(t, "seq1.example", net.authorityAt("a:1"))
	assert.Equal(t, "b:1", net.authorityAt("b:1"))
}

func TestTheServerNameOfTLSCredentialsHoldsForEndpointsWithoutTheirOwn(t *testing.T) {
	cert, pool := selfSigned(t, "chosen.example", "own.example")
	net := newServers(t)
	net.serve(t, "a:1", grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	net.serve(t, "b:1", grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	list := newStaticOf(t, []Endpoint{{Address: "https://a:1"}, {Address: "b:1", ServerName: "own.example"}})
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list), grpc.WithTransportCredentials(
		credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "chosen.example"})))
	net.callUntil(t, conn, "a:1", "b:1") // the certificate is not valid for the host a
	assert.Equal(t, "chosen.example", net.authorityAt("a:1"))
	assert.Equal(t, "own.example", net.authorityAt("b:1"))
}

func TestGrpcsWithAuthorityHoldsForEveryEndpoint(t *testing.T) {
	net := newServers(t, "a:1", "b:1")
	list := newStaticOf(t, []Endpoint{{Address: "a:1"}, {Address: "b:1", ServerName: "own.example"}})
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list), grpc.WithAuthority("chosen.example"))
	net.callUntil(t, conn, "a:1", "b:1")
	assert.Equal(t, "chosen.example", net.authorityAt("a:1"))
	assert.Equal(t, "chosen.example", net.authorityAt("b:1"), "grpc lets the option win over a resolver")
}

func TestABadTargetFailsCallsWithItsReason(t *testing.T) {
	net := newServers(t)
	conn := net.connect(t, "static:///a:1,b")
	_, err := healthpb.NewHealthClient(conn).Check(testkit.Context(t), &healthpb.HealthCheckRequest{})
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, `target[1] "b": missing port; want host:port`)

	conn = net.connect(t, "static:///a:1,https://b:1")
	_, err = healthpb.NewHealthClient(conn).Check(testkit.Context(t), &healthpb.HealthCheckRequest{})
	require.ErrorContains(t, err, `target[1] "https://b:1": endpoint "b:1" asks for TLS while the channel's credentials are "insecure"`)
}

func TestAnUpdateKeepsTheConnectionsOfWhatStays(t *testing.T) {
	net := newServers(t, "a:1", "b:1", "c:1")
	list := newStaticOf(t, named("a", "b"))
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list))
	other := net.connect(t, list.Target(), grpc.WithResolvers(list))
	net.callUntil(t, conn, "a:1", "b:1")
	net.callUntil(t, other, "a:1", "b:1")

	for range 3 {
		require.NoError(t, list.Update(named("a", "b")))
		net.callUntil(t, conn, "a:1", "b:1")
	}
	assert.Equal(t, 2, net.dialled("a:1"), "one for each channel: a repeated list reconnects nothing")
	assert.Equal(t, 2, net.dialled("b:1"))

	require.NoError(t, list.Update(named("b", "c")))
	net.callUntil(t, conn, "b:1", "c:1")
	net.callUntil(t, other, "b:1", "c:1")
	before := net.called("a:1")
	for range 6 {
		require.NoError(t, call(testkit.Context(t), conn))
	}
	assert.Equal(t, before, net.called("a:1"), "what left the list is called no more")
	assert.Equal(t, 2, net.dialled("b:1"), "what stays keeps its connection")
}

func TestCallsGoOnWhileTheListChanges(t *testing.T) {
	net := newServers(t, "a:1", "b:1", "c:1")
	list := newStaticOf(t, named("a", "b"))
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list))
	net.callUntil(t, conn, "a:1", "b:1")
	ctx, stop := context.WithCancel(testkit.Context(t))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := call(ctx, conn); ctx.Err() == nil {
					assert.NoError(t, err)
				}
			}
		})
	}
	for i := range 40 {
		require.NoError(t, list.Update([][]Endpoint{named("b", "c"), named("a", "b")}[i%2]))
	}
	require.NoError(t, list.Update(named("a", "c")))
	stop()
	wg.Wait()
	net.callUntil(t, conn, "a:1", "c:1")
}

// hookPolicy is a policy that passes its input to a test and then behaves like
// round_robin.
type hookPolicy struct{ name string }

// hooks holds what a hookPolicy does with an update, by the policy's name.
var hooks sync.Map

func (p hookPolicy) Name() string { return p.name }

func (p hookPolicy) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	return &hooked{Balancer: balancer.Get(roundrobin.Name).Build(cc, opts), name: p.name}
}

type hooked struct {
	balancer.Balancer
	name string
}

func (h *hooked) UpdateClientConnState(state balancer.ClientConnState) error {
	hook, _ := hooks.Load(h.name)
	if err := hook.(func(*hooked, balancer.ClientConnState) error)(h, state); err != nil {
		return err
	}
	return h.Balancer.UpdateClientConnState(state)
}

const (
	claimingPolicy = "test_claims"
	blockingPolicy = "test_blocks"
	refusingPolicy = "test_refuses"
)

func init() {
	for _, name := range []string{claimingPolicy, blockingPolicy, refusingPolicy} {
		balancer.Register(hookPolicy{name})
	}
}

func withPolicy(name string) grpc.DialOption {
	return grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, name))
}

func TestThePolicyOfARealChannelHandsItsHandleToTheOwnerOfTheList(t *testing.T) {
	hooks.Store(claimingPolicy, func(h *hooked, state balancer.ClientConnState) error {
		ClaimFrom(state.ResolverState).Take(h)
		return nil
	})
	told := make(chan any, 10)
	net := newServers(t, "claimed:1", "claimed-too:1")
	var list *Static
	list = newStaticOf(t, named("claimed"), WithOnClaim(func(handle any) {
		assert.NotEmpty(t, list.Endpoints(), "the list can be read meanwhile")
		told <- handle
	}))
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list), withPolicy(claimingPolicy))
	net.callUntil(t, conn, "claimed:1")
	assert.IsType(t, &hooked{}, testkit.Receive(t, told))
	require.NoError(t, list.Update(named("claimed", "claimed-too")))
	net.callUntil(t, conn, "claimed-too:1")
	assert.Empty(t, told, "the same handle is not told again")
	assert.Zero(t, warnings.about(`endpoint=claimed`))
}

func TestARealChannelWithoutAPolicyOfOursIsWarnedAbout(t *testing.T) {
	const about = `endpoint=unclaimed:1 others=0`
	before := warnings.about(about)
	net := newServers(t, "unclaimed:1")
	conn := net.connect(t, "static:///unclaimed:1")
	net.callUntil(t, conn, "unclaimed:1")
	require.Eventually(t, func() bool { return warnings.about(about) == before+1 }, testkit.Patience, testkit.Patience/10_000)
}

func TestUpdateReturnsWhatAPolicyOfARealChannelSays(t *testing.T) {
	var refuse bool // guarded by the order of updates
	hooks.Store(refusingPolicy, func(_ *hooked, state balancer.ClientConnState) error {
		ClaimFrom(state.ResolverState).Take(nil)
		if refuse {
			return balancer.ErrBadResolverState
		}
		return nil
	})
	net := newServers(t, "a:1", "b:1")
	list := newStaticOf(t, named("a"))
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list), withPolicy(refusingPolicy))
	net.callUntil(t, conn, "a:1")
	refuse = true
	require.ErrorIs(t, list.Update(named("b")), balancer.ErrBadResolverState)
	net.callUntil(t, conn, "a:1")
	refuse = false
	require.NoError(t, list.Update(named("b")), "the same list again is another chance")
	net.callUntil(t, conn, "b:1")
}

func TestARealChannelClosesWhileAnUpdateIsUnderWay(t *testing.T) {
	g := newGate()
	close(g.open) // for the first list
	hooks.Store(blockingPolicy, func(_ *hooked, state balancer.ClientConnState) error { return g.pass(state.ResolverState) })
	net := newServers(t, "a:1")
	list := newStaticOf(t, named("a"))
	conn := net.connect(t, list.Target(), grpc.WithResolvers(list), withPolicy(blockingPolicy))
	net.callUntil(t, conn, "a:1")

	second := newGate()
	hooks.Store(blockingPolicy, func(_ *hooked, state balancer.ClientConnState) error { return second.pass(state.ResolverState) })
	defer second.release()
	updated := inBackground(func() error { return list.Update(named("a", "b")) })
	testkit.Receive(t, second.entered)
	closed := inBackground(conn.Close)
	require.Eventually(t, func() bool {
		list.mu.Lock()
		defer list.mu.Unlock()
		return len(list.channels) == 0
	}, testkit.Patience, testkit.Patience/10_000, "grpc closes the resolver while its policy is busy")
	second.release()
	require.NoError(t, testkit.Receive(t, closed))
	require.NoError(t, testkit.Receive(t, updated))
	require.NoError(t, list.Update(named("c")), "a list without channels can be changed")
}

func TestAChannelThatWakesFromIdleHasTheNewestListAndANewClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks.Store(claimingPolicy, func(h *hooked, state balancer.ClientConnState) error {
			ClaimFrom(state.ResolverState).Take(h)
			return nil
		})
		told := make(chan any, 10)
		net := newServers(t, "a:1", "b:1")
		list := newStaticOf(t, named("a"), WithOnClaim(func(handle any) { told <- handle }))
		conn := net.connect(t, list.Target(), grpc.WithResolvers(list), withPolicy(claimingPolicy),
			grpc.WithIdleTimeout(time.Minute))
		net.callUntil(t, conn, "a:1")
		time.Sleep(3 * time.Minute) // fake time
		synctest.Wait()
		require.Equal(t, connectivity.Idle, conn.GetState())
		assert.Empty(t, list.channels)

		require.NoError(t, list.Update(named("b")))
		net.callUntil(t, conn, "b:1")
		require.Len(t, told, 2)
		first, second := <-told, <-told
		assert.NotSame(t, first, second)
	})
}
