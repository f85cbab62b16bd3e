package failover_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/failover"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	_ "github.com/cantonlb/cantonlb/resolver"
)

// dial makes a plain channel with the policy, as a program would.
func dial(t *testing.T, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, append(opts, grpc.WithIdleTimeout(0),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"active_passive":{}}]}`))...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return conn
}

func TestThePolicyIsRegisteredUnderItsName(t *testing.T) {
	b := balancer.Get(failover.Name)
	require.NotNil(t, b)
	assert.Equal(t, "active_passive", b.Name())
	parser, parses := b.(balancer.ConfigParser)
	require.True(t, parses)
	_, err := parser.ParseConfig([]byte(`{"holddown": "1s"}`))
	assert.ErrorContains(t, err, "holddown: want a known key")
}

func TestOnAPlainChannelCallsGoToTheActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		conn := dial(t, c.Target(), c.DialOptions()...)
		assert.Equal(t, map[string]int{"server0": 20}, testkit.Spread(t, conn, 20))
		synctest.Wait()
		c.Kill(0)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server1": 20}, testkit.Spread(t, conn, 20))
		c.Restart(0)
		time.Sleep(time.Minute)
		assert.Equal(t, map[string]int{"server1": 20}, testkit.Spread(t, conn, 20))
	})
}

// canton: ReplicatedParticipantTest, where the active accepts and the passive
// rejects, and ParticipantFailover, with three crashes. A passive replica refuses
// connections here, as the Ledger API does.
func TestThreeCrashesAreRiddenThroughByCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		c.Kill(1)
		conn := dial(t, c.Target(), c.DialOptions()...)
		assert.Equal(t, map[string]int{"server0": 5}, testkit.Spread(t, conn, 5))
		for crash := range 3 {
			old, next := crash%2, (crash+1)%2
			c.Kill(old)
			time.AfterFunc(15*time.Second, func() { c.Restart(next) })
			time.Sleep(time.Second)
			_, err := lbtest.ServedBy(testkit.Context(t), conn)
			assert.Equal(t, codes.Unavailable, status.Code(err), "a call that does not wait")
			name, err := lbtest.ServedBy(testkit.Within(t, time.Minute), conn, grpc.WaitForReady(true))
			require.NoError(t, err)
			assert.Equal(t, c.Names()[next], name)
		}
	})
}

func TestUnderAForeignResolverTheOrderOfTheListCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		r := manual.NewBuilderWithScheme("manual")
		r.InitialState(grpcresolver.State{Addresses: []grpcresolver.Address{{Addr: c.Addrs()[1]}, {Addr: c.Addrs()[0]}}})
		conn := dial(t, "manual:///replicas", append(c.DialOptions(), grpc.WithResolvers(r))...)
		assert.Equal(t, map[string]int{"server1": 20}, testkit.Spread(t, conn, 20))
		assert.Equal(t, connectivity.Ready, conn.GetState())
	})
}

func TestAStreamOnAPlainChannelStaysWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		conn := dial(t, c.Target(), c.DialOptions()...)
		stream, err := lbtest.Ticks(t.Context(), conn, time.Second)
		require.NoError(t, err)
		synctest.Wait()
		c.SetServing(0, "", false)
		for range 60 {
			_, err := stream.Recv()
			require.NoError(t, err)
		}
		assert.Equal(t, map[string]int{"server1": 5}, testkit.Spread(t, conn, 5))
	})
}
