package endpointset

import (
	"context"
	"net"
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
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/internal/settings"
)

func TestHealthOnAnotherPortDecidesWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bufconn.Listen(1 << 16)
		srv, hs := grpc.NewServer(), health.NewServer()
		healthpb.RegisterHealthServer(srv, hs)
		go srv.Serve(l)
		defer srv.Stop()
		f := newFixture(t, func(c *settings.Config) { c.HealthCheck.GRPCPort = 5000 })
		defer f.close()
		dialed := make(chan string, 100)
		f.set.build.Dialer = func(ctx context.Context, addr string) (net.Conn, error) {
			dialed <- addr
			return l.DialContext(ctx)
		}
		require.NoError(t, f.push("10.0.0.1:5001"))
		synctest.Wait()
		assert.True(t, f.waits(), "healthy, but not connected")
		f.up("10.0.0.1:5001")
		assert.Equal(t, []string{"10.0.0.1:5001"}, f.picked())
		assert.Equal(t, "10.0.0.1:5000", <-dialed)
		assert.Equal(t, 1, f.server("10.0.0.1:5001").checkCalls(""), "whether the connection is alive")
		assert.Zero(t, f.server("10.0.0.1:5001").watchCalls(""))
		hs.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		time.Sleep(2 * time.Second)
		assert.Contains(t, f.refusal(), "10.0.0.1:5001 unhealthy (not_serving")
		f.down(errRefused, "10.0.0.1:5001")
		assert.Contains(t, f.refusal(), "10.0.0.1:5001 ")
		hs.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
		time.Sleep(2 * time.Second)
		f.awaitTry("10.0.0.1:5001")
		f.up("10.0.0.1:5001")
		assert.Equal(t, []string{"10.0.0.1:5001"}, f.picked())
		require.NoError(t, f.push("10.0.0.2:5001")) // its probe ends with the endpoint
	})
}

// Under grpc's own health check the answer to a probe on a connection of its own
// is a sign of life as well, whatever it says.
func TestUnderGrpcsHealthCheckTheFallbackIsASignOfLifeToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bufconn.Listen(1 << 16)
		srv, hs := grpc.NewServer(), health.NewServer()
		healthpb.RegisterHealthServer(srv, hs)
		hs.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		go srv.Serve(l)
		defer srv.Stop()
		f := newFixture(t)
		defer f.close()
		f.setWatched(true)
		var dialed atomic.Int64
		f.set.build.Dialer = func(ctx context.Context, _ string) (net.Conn, error) {
			dialed.Add(1)
			return l.DialContext(ctx)
		}
		f.server("a:1").set(notServing())
		require.NoError(t, f.push("a:1"))
		f.up("a:1")
		f.conn("a:1").healthBecomes(connectivity.Ready, nil)
		require.Equal(t, []string{"a:1"}, f.picked())
		f.server("a:1").isFull(true)
		time.Sleep(10 * time.Second)
		assert.Positive(t, dialed.Load())
		assert.Equal(t, []string{"a:1"}, f.picked())
	})
}
