package cantonlb_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestClientSpreadsCallsEvenlyOverHealthyEndpoints(t *testing.T) {
	for name, opts := range map[string][]lbtest.Option{"bufconn": nil, "TCP": {lbtest.OnTCP()}} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, opts...)
			client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
			assert.Equal(t, map[string]int{"server0": 30, "server1": 30, "server2": 30}, testkit.Spread(t, client, 90))
		})
	}
}

func TestClientLeavesOutAnEndpointThatSaysItDoesNotServe(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)

	cluster.SetServing(1, "", false)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 2 })
	assert.Equal(t, report.Unhealthy, endpoint(s, "server1").Health)
	assert.Equal(t, report.ReasonNotServing, endpoint(s, "server1").Reason)
	assert.Equal(t, map[string]int{"server0": 10, "server2": 10}, testkit.Spread(t, client, 20))

	cluster.SetServing(1, "", true)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 3 })
	assert.Equal(t, map[string]int{"server0": 10, "server1": 10, "server2": 10}, testkit.Spread(t, client, 30))
}

func TestClientLeavesOutAnEndpointThatHangsAndTakesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		cluster.Hang(0)
		// Without calls: interval + timeout + suspect interval + timeout, and the jitter.
		time.Sleep(2 * time.Second)
		s := client.Status()
		assert.Equal(t, 2, s.Eligible())
		assert.Equal(t, report.ReasonProbeTimeout, endpoint(s, "server0").Reason)
		assert.Equal(t, connectivity.Ready, endpoint(s, "server0").Connection, "the connection is still there")
		assert.Equal(t, map[string]int{"server1": 10, "server2": 10}, testkit.Spread(t, client, 20))

		cluster.Resume(0)
		time.Sleep(3 * time.Second)
		assert.Equal(t, 3, client.Status().Eligible())
	})
}

func TestClientGoesOnWithoutAKilledEndpointAndTakesItBack(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.OnTCP())
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	cluster.Kill(0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server0").ConnectionError != "" })
	assert.Contains(t, endpoint(s, "server0").ConnectionError, "connection refused")
	assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
	cluster.Restart(0)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	assert.Equal(t, map[string]int{"server0": 5, "server1": 5}, testkit.Spread(t, client, 10))
}

func TestClientCallsWaitForTheFirstVerdict(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 0)
	_, err := lbtest.ServedBy(testkit.Context(t), client) // fail-fast, and at once
	assert.NoError(t, err)
}

func TestClientStatusTellsWhatIsProbedAndWhenItLastAnswered(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	testkit.Spread(t, client, 4)
	s := client.Status()
	assert.Equal(t, "healthy_round_robin", s.Policy)
	assert.Equal(t, connectivity.Ready, s.State)
	assert.Zero(t, s.NoneEligibleSince)
	assert.Empty(t, s.Notes)
	require.Len(t, s.Endpoints, 2)
	for i, e := range s.Endpoints {
		assert.Equal(t, cluster.Names()[i], e.Name)
		assert.Equal(t, cluster.Addrs()[i], e.Address)
		assert.Equal(t, report.Healthy, e.Health)
		assert.Equal(t, report.ReasonServing, e.Reason)
		assert.Equal(t, connectivity.Ready, e.Connection)
		assert.True(t, e.Eligible)
		assert.True(t, e.Probe.On)
		assert.Equal(t, report.KindGRPCWatch, e.Probe.Kind)
		assert.Equal(t, report.WatchAlive, e.Probe.Watch)
		assert.Equal(t, report.Serving, e.Probe.Outcome)
		assert.WithinDuration(t, time.Now(), e.Probe.Answered, testkit.Patience)
		assert.Contains(t, e.Probe.Target, "own connection")
		assert.Equal(t, cantonlb.CallStats{Picked: 2, Heard: 2}, e.Calls)
	}
	s.Endpoints[0].Name = "changed"
	assert.Equal(t, "server0", client.Status().Endpoints[0].Name, "a status is a copy")
}

func TestClientStatusSaysWhenHealthCheckingIsOff(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: healthcheck.Config{Disabled: true}}, 1)
	s := client.Status()
	assert.Len(t, s.Notes, 1)
	assert.Contains(t, s.Notes[0], "health checking is disabled")
	assert.False(t, s.Endpoints[0].Probe.On)
	assert.Equal(t, report.KindConnectivity, s.Endpoints[0].Probe.Kind)
	assert.Equal(t, 0, cluster.HealthCalls(0)+cluster.HealthWatches(0))
}

func TestClientJudgesAServerWithoutHealthServiceByItsConnectionAndSaysSo(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth())
	lines := new(logLines)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Logger: lines.logger(slog.LevelWarn)}, 1)
	s := client.Status()
	e := s.Endpoints[0]
	assert.Equal(t, report.ReasonUnimplemented, e.Reason)
	assert.Equal(t, report.WatchUnimplemented, e.Probe.Watch)
	assert.True(t, e.Unchecked())
	require.Len(t, s.Notes, 1)
	assert.Contains(t, s.Notes[0], "no health service: of server0 only the connection is checked")
	require.NoError(t, client.Close())
	require.Len(t, lines.all(t), 1)
	assert.Equal(t, "an endpoint counts as healthy without a health check", lines.all(t)[0]["msg"])
	assert.Equal(t, "no health service: only the connection is checked", lines.all(t)[0]["detail"])

	strict := clientkit.Connect(t, cluster, cantonlb.Config{
		HealthCheck: healthcheck.Config{OnUnimplemented: healthcheck.OnUnimplementedUnhealthy},
	}, 0)
	_, err := lbtest.ServedBy(testkit.Context(t), strict)
	assert.Equal(t, report.ReasonUnimplemented, noneEligible(t, err).Endpoints[0].Reason)
}

func TestClientSaysLoudlyThatTheServiceNameIsWrong(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: healthcheck.Config{Service: "no-such-service"}}, 0)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	none := noneEligible(t, err)
	assert.Equal(t, report.ReasonUnknownService, none.Endpoints[0].Reason)
	assert.Contains(t, err.Error(), "no-such-service")
}

func TestDrainedEndpointIsNotPickedButStaysConnectedAndProbed(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	require.NoError(t, client.Drain("server0"))
	assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
	e := endpoint(client.Status(), "server0")
	assert.True(t, e.Drained)
	assert.False(t, e.Eligible)
	assert.Equal(t, report.Healthy, e.Health)
	assert.Equal(t, connectivity.Ready, e.Connection)

	require.NoError(t, client.Update(clientkit.Endpoints(cluster)), "the same list again")
	assert.True(t, endpoint(client.Status(), "server0").Drained)

	require.NoError(t, client.Drain("server1"))
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	assert.ErrorContains(t, err, "no eligible endpoint of 2: server0 drained, server1 drained")

	require.NoError(t, client.Undrain("server0"))
	assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
	assert.ErrorContains(t, client.Drain("nobody"), `no endpoint "nobody" in the list`)
}

func TestUpdateKeepsWhatStaysAndDropsWhatLeaves(t *testing.T) {
	cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
	all := clientkit.Endpoints(cluster)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: all[:3]}, 3)

	require.NoError(t, client.Update(all[:3]))
	require.NoError(t, client.Update(all[1:]))
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 3 && endpoint(s, "server3").Eligible })
	cluster.WaitConns(0, 0, testkit.Patience)
	assert.Equal(t, map[string]int{"server1": 10, "server2": 10, "server3": 10}, testkit.Spread(t, client, 30))
	for i := range 4 {
		assert.Equal(t, 1, cluster.TotalConns(i), "server%d was connected once", i)
	}
}

func TestUpdateWithABadListChangesNothing(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	before := client.Status()
	for _, bad := range [][]cantonlb.Endpoint{
		nil,
		{{Name: "a", Address: "host-without-port"}},
		{{Name: "a", Address: "h:1"}, {Name: "a", Address: "h:2"}},
		{{Name: "a", Address: "https://h:1"}}, // over plaintext credentials
	} {
		assert.Error(t, client.Update(bad))
	}
	after := client.Status()
	require.Len(t, after.Endpoints, 2)
	for i := range after.Endpoints {
		assert.Equal(t, before.Endpoints[i].Since, after.Endpoints[i].Since)
		assert.Equal(t, 1, cluster.TotalConns(i))
	}
}

func TestUpdateLosesNoCallUnderLoad(t *testing.T) {
	cluster := lbtest.NewCluster(t, 6, lbtest.RegisterEcho)
	all := clientkit.Endpoints(cluster)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: all[:3]}, 3)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for ctx.Err() == nil {
			if _, err := lbtest.ServedBy(context.WithoutCancel(ctx), client); err != nil {
				failed <- err
				return
			}
		}
	}()
	for i := range 20 { // disjoint lists, back and forth
		require.NoError(t, client.Update(all[3*(i%2):3*(i%2)+3]))
		clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 3 })
	}
	cancel()
	assert.NoError(t, <-failed)
}

func TestWaitHealthySaysWhoIsMissing(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	cluster.SetServing(1, "", false)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server1").Health == report.Unhealthy })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := client.WaitHealthy(ctx, 2)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "1 of 2 endpoints are eligible, want 2: server1 unhealthy (not_serving")
	assert.ErrorContains(t, client.WaitHealthy(t.Context(), 3), "cannot wait for 3 healthy endpoints: the list has 2")
	assert.ErrorContains(t, client.WaitHealthy(t.Context(), 0), "want at least 1")
}

func TestCloseMayBeCalledAgainAndEndsEverything(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: clientkit.Endpoints(cluster)}, cluster.DialOptions()...)
	require.NoError(t, err)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	assert.NoError(t, client.Close())
	assert.NoError(t, client.Close())
	_, err = lbtest.ServedBy(testkit.Context(t), client)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.ErrorContains(t, client.WaitHealthy(t.Context(), 1), "closed")
	assert.ErrorContains(t, client.Drain("server0"), "closed")
	assert.ErrorContains(t, client.Update(clientkit.Endpoints(cluster)), "closed")
	assert.Empty(t, client.Status().Endpoints)
}

func TestClientTakesWhatAChannelTakes(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	stream, err := lbtest.Ticks(testkit.Context(t), client, time.Millisecond)
	require.NoError(t, err)
	_, err = stream.Recv()
	assert.NoError(t, err)
	_, err = lbtest.Echo(testkit.Context(t), client.Conn(), "hello")
	assert.NoError(t, err)
}

func TestADrainedEndpointLetsItsStreamsGoOn(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
	ctx, cancel := context.WithCancel(testkit.Context(t))
	defer cancel()
	stream, err := lbtest.Ticks(ctx, client, time.Millisecond)
	require.NoError(t, err)
	require.NoError(t, client.Drain("server0"))
	for range 10 {
		_, err = stream.Recv()
		require.NoError(t, err)
	}
}

func TestPlainChannelWithDialOptionsHasTheSameEquipment(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	for name, cfg := range map[string]cantonlb.Config{
		"the target brings the list": {},
		"the config brings the list": {Endpoints: clientkit.Endpoints(cluster)},
	} {
		t.Run(name, func(t *testing.T) {
			opts, err := cantonlb.DialOptions(cfg)
			require.NoError(t, err)
			target := cluster.Target()
			if cfg.Endpoints != nil {
				target = "static:///sequencers"
			}
			conn, err := grpc.NewClient(target, append(opts, cluster.DialOptions()...)...)
			require.NoError(t, err)
			defer conn.Close()
			seen := map[string]int{}
			require.Eventually(t, func() bool {
				who, err := lbtest.ServedBy(testkit.Context(t), conn)
				require.NoError(t, err)
				seen[who]++
				return len(seen) == 3
			}, testkit.Patience, time.Millisecond)
			for i := range 3 {
				cluster.SetServing(i, "", false)
			}
			require.Eventually(t, func() bool {
				_, err := lbtest.ServedBy(testkit.Context(t), conn)
				return err != nil && len(noneEligible(t, err).Endpoints) == 3
			}, testkit.Patience, time.Millisecond)
			for i := range 3 {
				cluster.SetServing(i, "", true)
			}
		})
	}
}
