package lbtest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestClusterListsItsServersInOrder(t *testing.T) {
	c := lbtest.NewCluster(t, 2, nil)

	assert.Equal(t, 2, c.Len())
	assert.Equal(t, []string{"server0", "server1"}, c.Names())
	assert.Equal(t, []string{"server0.lbtest:1", "server1.lbtest:1"}, c.Addrs())
	assert.Equal(t, "static:///server0.lbtest:1,server1.lbtest:1", c.Target())
	assert.Equal(t, "server1", c.Server(1).Name())
	assert.Equal(t, "server1.lbtest:1", c.Server(1).Addr())
}

func TestClusterOnTCPHasLoopbackAddresses(t *testing.T) {
	c := lbtest.NewCluster(t, 2, nil, lbtest.OnTCP())

	for _, addr := range c.Addrs() {
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", host)
		assert.NotEqual(t, "0", port)
	}
	assert.NotEqual(t, c.Addrs()[0], c.Addrs()[1])
}

func TestEachServerAnswersUnderItsOwnNameAndAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, listen)
		for i, name := range c.Names() {
			var from peer.Peer
			conn := dial(t, c, i)
			got, err := lbtest.ServedBy(testkit.Context(t), conn, grpc.Peer(&from))
			require.NoError(t, err)
			assert.Equal(t, name, got)
			assert.Equal(t, c.Addrs()[i], from.Addr.String())
			assert.Equal(t, 1, c.Calls(i))
		}
	})
}

func TestTheLargestClusterStarts(t *testing.T) {
	c := lbtest.NewCluster(t, lbtest.MaxServers, lbtest.RegisterEcho)

	echo(t, dial(t, c, lbtest.MaxServers-1))
}

func TestHealthServiceKnowsTheNamesItWasGiven(t *testing.T) {
	c := lbtest.NewCluster(t, 1, nil, lbtest.WithHealthServices("a", "b"))
	conn := dial(t, c, 0)

	for _, service := range []string{"", "a", "b"} {
		got, err := check(testkit.Context(t), conn, service)
		require.NoError(t, err)
		assert.Equal(t, healthpb.HealthCheckResponse_SERVING, got)
	}
	_, err := check(testkit.Context(t), conn, "c")
	assert.Equal(t, codes.NotFound, status.Code(err))
}

func TestWithoutHealthAnswersUnimplementedAndCounts(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth())
	conn := dial(t, c, 0)

	_, err := check(testkit.Context(t), conn, "")
	assert.Equal(t, codes.Unimplemented, status.Code(err))
	watch, err := healthpb.NewHealthClient(conn).Watch(testkit.Context(t), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	assert.Equal(t, codes.Unimplemented, status.Code(err))

	assert.Equal(t, 1, c.HealthCalls(0))
	assert.Equal(t, 1, c.HealthWatches(0))
	assert.Equal(t, 0, c.Calls(0))
}

func TestServerOptionsReachTheServer(t *testing.T) {
	refuse := func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		return nil, status.Error(codes.PermissionDenied, "mine")
	}
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(refuse)))

	_, err := lbtest.Echo(testkit.Context(t), dial(t, c, 0), "hello")
	assert.Equal(t, codes.PermissionDenied, status.Code(err))
	assert.Equal(t, 1, c.Calls(0))
}

func TestDialerRefusesAddressesThatAreNotItsOwn(t *testing.T) {
	c := lbtest.NewCluster(t, 1, nil)

	_, err := c.Dialer()(t.Context(), "elsewhere:1")
	assert.EqualError(t, err, `lbtest: address "elsewhere:1": want one of Addrs(), such as "server0.lbtest:1"`)
}

func TestDialerOnTCPReachesOtherAddresses(t *testing.T) {
	c := lbtest.NewCluster(t, 1, nil, lbtest.OnTCP())
	other := lbtest.NewCluster(t, 1, nil, lbtest.OnTCP())

	conn, err := c.Dialer()(t.Context(), other.Addrs()[0])
	require.NoError(t, err)
	other.WaitConns(0, 1, testkit.Patience)
	require.NoError(t, conn.Close())
	other.WaitConns(0, 0, testkit.Patience)
}

func TestMistakesOfATestAreReportedWithWhatWouldBeRight(t *testing.T) {
	one := func(tb testing.TB) *lbtest.Cluster { return lbtest.NewCluster(tb, 1, lbtest.RegisterEcho) }
	cases := map[string]struct {
		make func(tb testing.TB)
		want string
	}{
		"no servers":          {func(tb testing.TB) { lbtest.NewCluster(tb, 0, nil) }, "lbtest: NewCluster: n = 0: want 1 to 1000"},
		"too many servers":    {func(tb testing.TB) { lbtest.NewCluster(tb, 1001, nil) }, "lbtest: NewCluster: n = 1001: want 1 to 1000"},
		"nil option":          {func(tb testing.TB) { lbtest.NewCluster(tb, 1, nil, nil) }, "lbtest: NewCluster: opts[0] is nil: leave it out"},
		"nil server option":   {func(tb testing.TB) { lbtest.NewCluster(tb, 1, nil, lbtest.WithServerOptions(nil)) }, "lbtest: NewCluster: WithServerOptions: opts[0] is nil: leave it out"},
		"index too large":     {func(tb testing.TB) { one(tb).Kill(1) }, "lbtest: server index 1: want 0 to 0"},
		"index negative":      {func(tb testing.TB) { one(tb).Calls(-1) }, "lbtest: server index -1: want 0 to 0"},
		"negative latency":    {func(tb testing.TB) { one(tb).SetLatency(0, -time.Second) }, "lbtest: SetLatency: d = -1s: want 0 or more"},
		"undefined code":      {func(tb testing.TB) { one(tb).FailCalls(0, 17, "") }, "lbtest: FailCalls: code = 17: want 0 (OK) to 16 (Unauthenticated)"},
		"undefined status":    {func(tb testing.TB) { one(tb).SetHealthStatus(0, "", 9) }, "lbtest: SetHealthStatus: status = 9: want one that grpc.health.v1 defines, 0 to 3"},
		"hang what is down":   {func(tb testing.TB) { c := one(tb); c.Kill(0); c.Hang(0) }, "lbtest: Hang: server0 is down: Restart it first"},
		"connections missing": {func(tb testing.TB) { one(tb).WaitConns(0, 2, time.Millisecond) }, "lbtest: WaitConns: server0 has 0 after 1ms: want exactly 2"},
		"calls missing":       {func(tb testing.TB) { one(tb).WaitCalls(0, 1, time.Millisecond) }, "lbtest: WaitCalls: server0 has 0 after 1ms: want at least 1"},
		"health of none": {
			func(tb testing.TB) { lbtest.NewCluster(tb, 1, nil, lbtest.WithoutHealth()).SetServing(0, "", true) },
			"lbtest: SetHealthStatus: server0 was made WithoutHealth: leave that option out",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{c.want}, reports(t, c.make))
		})
	}
}

func TestAPortThatAnotherTookIsReportedByRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	got := reports(t, func(tb testing.TB) {
		c := lbtest.NewCluster(tb, 1, nil, lbtest.OnTCP())
		c.Kill(0)
		other, err := net.Listen("tcp", c.Addrs()[0])
		assert.NoError(t, err)
		defer other.Close()
		c.Restart(0)
		assert.False(t, c.Up(0))
	})

	require.Len(t, got, 1)
	assert.True(t, strings.HasPrefix(got[0], "lbtest: Restart: server0: listen: "), got[0])
}

func TestNothingRestartsAfterTheEndOfTheTest(t *testing.T) {
	var c *lbtest.Cluster
	require.Empty(t, reports(t, func(tb testing.TB) { c = lbtest.NewCluster(tb, 1, nil) }))

	c.Restart(0)
	c.Kill(0)
	c.Stop(0)
	c.Resume(0)
	assert.False(t, c.Up(0))
}
