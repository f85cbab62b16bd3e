package balancer_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// grpc: TestHealthCheckWatchStateChange.
func TestAChannelsHealthCheckConfigIsHonoured(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithHealthServices("orders"))
		c.SetServing(1, "", false) // no probe asks for it
		conn := dial(t, c, `{"loadBalancingConfig":[{"healthy_round_robin":{}}],"healthCheckConfig":{"serviceName":"orders"}}`)
		settled(t, conn)
		assert.Len(t, testkit.Spread(t, conn, 10), 2)
		assert.Equal(t, 1, c.HealthWatches(0), "grpc's Watch, and none of ours")
		c.SetServing(0, "orders", false)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, conn, 10))
		c.SetServing(1, "orders", false)
		synctest.Wait()
		assert.ErrorContains(t, refusal(t, conn), "server0.lbtest:1 unhealthy (channel_health: connection active but health check failed. status=NOT_SERVING)")
		c.SetServing(0, "orders", true)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, conn, 10))
		c.Hang(0)
		time.Sleep(3 * time.Second)
		assert.ErrorContains(t, refusal(t, conn), "probe_timeout", "what grpc's own check does not find")
	})
}

func TestAHealthCheckConfigAndAServiceOfOursMustBothPass(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithHealthServices("orders", "ledger"))
		conn := dial(t, c, `{"loadBalancingConfig":[{"healthy_round_robin":{"healthCheck":{"service":"ledger"}}}],`+
			`"healthCheckConfig":{"serviceName":"orders"}}`)
		settled(t, conn)
		assert.Len(t, testkit.Spread(t, conn, 10), 2)
		c.SetServing(0, "orders", false)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, conn, 10))
		c.SetServing(0, "orders", true)
		c.SetServing(1, "ledger", false)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, conn, 10))
	})
}

// grpc: TestHealthCheckHealthServerNotRegistered.
func TestServersWithoutAHealthService(t *testing.T) {
	t.Run("count by their connections", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithoutHealth())
			conn := dial(t, c, policy(`{}`))
			settled(t, conn)
			assert.Len(t, testkit.Spread(t, conn, 10), 2)
			c.Kill(0)
			synctest.Wait()
			assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, conn, 10))
		})
	})
	t.Run("are refused if so configured", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth())
			conn := dial(t, c, policy(`{"healthCheck":{"onUnimplemented":"unhealthy"}}`))
			settled(t, conn)
			assert.ErrorContains(t, refusal(t, conn), "server0.lbtest:1 unhealthy (unimplemented")
		})
	})
	t.Run("count as healthy for a channel's healthCheckConfig", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth())
			conn := dial(t, c, `{"loadBalancingConfig":[{"healthy_round_robin":{}}],"healthCheckConfig":{"serviceName":"orders"}}`)
			settled(t, conn)
			assert.Len(t, testkit.Spread(t, conn, 3), 1)
		})
	})
}

// grpc: TestHealthCheckDisable.
func TestADisabledHealthCheckAsksNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		c.SetServing(0, "", false)
		conn := dial(t, c, policy(`{"healthCheck":{"disabled":true}}`))
		settled(t, conn)
		assert.Len(t, testkit.Spread(t, conn, 10), 2)
		assert.Zero(t, c.HealthCalls(0)+c.HealthWatches(0))
	})
}

func TestAWrongServiceNameIsUnhealthyAndSaysSo(t *testing.T) {
	for name, config := range map[string]string{
		"by Watch": `{"healthCheck":{"service":"typo"}}`, "by Check": `{"healthCheck":{"service":"typo","watch":false}}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
				conn := dial(t, c, policy(config))
				settled(t, conn)
				assert.ErrorContains(t, refusal(t, conn), "server0.lbtest:1 unhealthy (unknown_service")
			})
		})
	}
}

func TestPoliciesForNoneEligible(t *testing.T) {
	for config, check := range map[string]func(t *testing.T, c *lbtest.Cluster, conn *grpc.ClientConn){
		`{"noneEligible":"wait"}`: func(t *testing.T, c *lbtest.Cluster, conn *grpc.ClientConn) {
			done := make(chan error, 1)
			go func() {
				_, err := lbtest.Echo(testkit.Context(t), conn, "x")
				done <- err
			}()
			synctest.Wait()
			require.Empty(t, done)
			c.SetServing(0, "", true)
			assert.NoError(t, <-done)
		},
		`{"noneEligible":"failOpen"}`: func(t *testing.T, c *lbtest.Cluster, conn *grpc.ClientConn) {
			assert.Equal(t, map[string]int{"server0": 5, "server1": 5}, testkit.Spread(t, conn, 10))
			c.Disconnect(0)
			synctest.Wait()
			testkit.Spread(t, conn, 10) // no call waits on the dead connection
			c.SetServing(0, "", true)
			time.Sleep(5 * time.Second)
			assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, conn, 10))
		},
	} {
		t.Run(config, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				c.SetServing(0, "", false)
				c.SetServing(1, "", false)
				conn := dial(t, c, policy(config))
				settled(t, conn)
				check(t, c, conn)
			})
		})
	}
}

// A busy server is not a dead one.
func TestAServerWithAllItsStreamsInUseIsNotCalledUnhealthy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(1)))
		conn := dial(t, c, policy(`{"healthCheck":{"watch":false}}`))
		settled(t, conn)
		stream, err := lbtest.Ticks(t.Context(), conn, time.Hour)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		before := c.HealthCalls(0)
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, connectivity.Ready, conn.GetState())
		}
		assert.Greater(t, c.HealthCalls(0), before+20, "it was asked on a connection of its own")
		assert.Equal(t, 1, c.Conns(0), "which does not last")
		c.SetServing(0, "", false)
		time.Sleep(5 * time.Second)
		assert.Equal(t, connectivity.TransientFailure, conn.GetState(), "whose answer decides")
	})
}

// Health may be learnt elsewhere than at the address that takes the calls.
func TestHealthOnAnotherPort(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP(), lbtest.WithoutHealth())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	hs := health.NewServer()
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, hs)
	go srv.Serve(l)
	t.Cleanup(srv.Stop)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	hs.SetServingStatus("mediator", healthpb.HealthCheckResponse_SERVING)

	conn := dial(t, c, policy(`{"healthCheck":{"interval":"0.05s","suspectInterval":"0.01s","service":"mediator","grpcPort":`+port+`}}`))
	awaitState(t, conn, connectivity.Ready)
	assert.Len(t, testkit.Spread(t, conn, 3), 1)
	assert.Zero(t, c.HealthWatches(0), "the calls' connection is asked whether it is alive, once")
	hs.SetServingStatus("mediator", healthpb.HealthCheckResponse_NOT_SERVING)
	awaitState(t, conn, connectivity.TransientFailure)
	assert.ErrorContains(t, refusal(t, conn), "unhealthy (not_serving")
	hs.SetServingStatus("mediator", healthpb.HealthCheckResponse_SERVING)
	awaitState(t, conn, connectivity.Ready)
	srv.Stop()
	awaitState(t, conn, connectivity.TransientFailure)
	assert.ErrorContains(t, refusal(t, conn), "connect_failed")
}

func TestHealthOnAWebPage(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP(), lbtest.WithoutHealth())
	var code atomic.Int64
	code.Store(http.StatusOK)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(int(code.Load()))
	}))
	t.Cleanup(web.Close)
	u, err := url.Parse(web.URL)
	require.NoError(t, err)

	conn := dial(t, c, policy(`{"healthCheck":{"interval":"0.05s","suspectInterval":"0.01s","http":"http://{host}:`+u.Port()+`/health"}}`))
	awaitState(t, conn, connectivity.Ready)
	assert.Len(t, testkit.Spread(t, conn, 3), 1)
	code.Store(http.StatusServiceUnavailable)
	awaitState(t, conn, connectivity.TransientFailure)
	assert.ErrorContains(t, refusal(t, conn), "unhealthy (not_serving")
	assert.ErrorContains(t, refusal(t, conn), "HTTP status 503")
	code.Store(http.StatusOK)
	awaitState(t, conn, connectivity.Ready)
	// The calls' connection still counts.
	c.Kill(0)
	awaitState(t, conn, connectivity.TransientFailure)
	assert.ErrorContains(t, refusal(t, conn), "connection refused")
	c.Restart(0)
	awaitState(t, conn, connectivity.Ready)
}
