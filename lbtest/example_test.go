package lbtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health" // lets round_robin watch the servers' health
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/cantonlb/cantonlb/lbtest"
)

// This is how a test of your own can look. It uses grpc's round_robin, so that
// it stands alone; the policies of this module are tested the same way.
func TestExampleCallsAvoidAServerThatSaysNotServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		conn := newRoundRobin(t, cluster)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := lbtest.Echo(ctx, conn, "hello", grpc.WaitForReady(true))
		require.NoError(t, err)
		synctest.Wait() // all three are connected

		cluster.SetServing(1, "", false)
		synctest.Wait() // the client has heard of it
		cluster.ResetCounts()
		for range 10 {
			_, err := lbtest.Echo(ctx, conn, "hello")
			require.NoError(t, err)
		}

		assert.Equal(t, 5, cluster.Calls(0))
		assert.Equal(t, 0, cluster.Calls(1))
		assert.Equal(t, 5, cluster.Calls(2))
	})
}

// newRoundRobin returns a client of all servers that closes with the test.
func newRoundRobin(t *testing.T, cluster *lbtest.Cluster) *grpc.ClientConn {
	t.Helper()

	list := manual.NewBuilderWithScheme("test")
	state := resolver.State{}
	for _, addr := range cluster.Addrs() {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	list.InitialState(state)

	conn, err := grpc.NewClient("test:///all", append(cluster.DialOptions(),
		grpc.WithResolvers(list),
		grpc.WithDefaultServiceConfig(`{
			"loadBalancingConfig": [{"round_robin": {}}],
			"healthCheckConfig": {"serviceName": ""}
		}`),
	)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })

	return conn
}
