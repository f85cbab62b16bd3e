package cantonlb_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// onServer0 opens a stream on server0 of a client that prefers none.
func onServer0(t *testing.T, client *cantonlb.Client, every time.Duration) grpc.ServerStreamingClient[wrapperspb.UInt64Value] {
	t.Helper()
	require.NoError(t, client.Drain("server1"))
	stream, err := lbtest.Ticks(t.Context(), client, every)
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	require.NoError(t, client.Undrain("server1"))
	return stream
}

func TestCallsOnAnEndpointThatWasRemovedAndThenHangsAreRescuedAndItsStreamsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2)
		stream := onServer0(t, client, time.Hour)
		require.NoError(t, client.Drain("server1"))
		cluster.SetLatency(0, 10*time.Second)
		answer := make(chan string, 1)
		go func() {
			by, err := lbtest.ServedBy(t.Context(), client)
			assert.NoError(t, err)
			answer <- by
		}()
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, client.Undrain("server1"))
		require.NoError(t, client.Update(clientkit.Endpoints(cluster)[1:]))

		cluster.Hang(0)
		start := time.Now()
		assert.Equal(t, "server1", <-answer)
		assert.Less(t, time.Since(start), 5*time.Second)
		_, err := stream.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, `endpoint "server0" has shown no sign of life for 3`)
	})
}

func TestQuietStreamsOnAnEndpointThatWasRemovedAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		stream := onServer0(t, client, time.Minute)
		before := cluster.HealthCalls(0)
		require.NoError(t, client.Update(clientkit.Endpoints(cluster)[1:]))
		for range 5 {
			_, err := stream.Recv()
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, cluster.HealthCalls(0)-before, 5*60+10, "about one a second")
		cluster.SetServing(0, "", false) // any answer is a sign of life
		_, err := stream.Recv()
		assert.NoError(t, err)
	})
}

func TestTheLastCallsOfAServerThatStopsInGoodOrderAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2)
		require.NoError(t, client.Drain("server1"))
		cluster.SetLatency(0, 30*time.Second)
		answer := make(chan string, 1)
		go func() {
			by, err := lbtest.ServedBy(t.Context(), client)
			assert.NoError(t, err)
			answer <- by
		}()
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, client.Undrain("server1"))
		go cluster.Stop(0) // refuses connections, and waits for its calls
		assert.Equal(t, "server0", <-answer)
	})
}

func TestAServerThatSaysGoAwayAndThenHangsKeepsNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithServerOptions(
			grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 10 * time.Second})))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		stream := onServer0(t, client, time.Hour)
		time.Sleep(15 * time.Second)
		require.GreaterOrEqual(t, cluster.TotalConns(0), 2, "the first connection was given up")
		cluster.Hang(0)
		_, err := stream.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, "has shown no sign of life for")
	})
}

// dismissing returns a cluster of two, of which server0 has dismissed the connection of a
// stream and of a call that takes a while there, and the name of who answers the call.
func dismissing(t *testing.T, takes time.Duration) (
	p *paths, client *cantonlb.Client, stream grpc.ServerStreamingClient[wrapperspb.UInt64Value], answer <-chan string,
) {
	t.Helper()
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithServerOptions(
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 10 * time.Second})))
	p = newPaths(cluster)
	cfg := cantonlb.Config{Idempotent: echoIsIdempotent}
	for i, address := range cluster.Addrs() {
		cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: cluster.Names()[i], Address: "http://" + address})
	}
	client, err := cantonlb.NewClient(cfg, p.option())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	require.NoError(t, client.WaitHealthy(t.Context(), 2))
	stream = onServer0(t, client, time.Hour)
	cluster.SetLatency(0, takes)
	require.NoError(t, client.Drain("server1"))
	by, cc := make(chan string, 1), client
	go func() {
		name, err := lbtest.ServedBy(t.Context(), cc)
		assert.NoError(t, err)
		by <- name
	}()
	time.Sleep(time.Second)
	require.NoError(t, client.Undrain("server1"))
	time.Sleep(14 * time.Second)
	require.GreaterOrEqual(t, cluster.TotalConns(0), 2, "the first connection was given up")
	return p, client, stream, by
}

// The machine at the end of the connection has gone, and another one answers at its
// address.
func TestAConnectionThatWasDismissedAndLeadsNowhereKeepsNoCall(t *testing.T) {
	for _, after := range []time.Duration{0, 2 * time.Second} { // the second ping comes later
		synctest.Test(t, func(t *testing.T) {
			p, client, stream, answer := dismissing(t, time.Hour)
			time.Sleep(after)
			p.forget(client.Status().Endpoints[0].Address)
			forgotten := time.Now()
			assert.Equal(t, "server1", <-answer)
			assert.Less(t, time.Since(forgotten), 13*time.Second)
			_, err := stream.Recv()
			assert.Equal(t, codes.Unavailable, status.Code(err))
			assert.ErrorContains(t, err, "has shown no sign of life for")
			assert.Less(t, time.Since(forgotten), 15*time.Second)
		})
	}
}

// That a call takes long is no reason to give it up, nor to ask so often that the server
// closes the connection.
func TestASlowCallOnAConnectionThatWasDismissedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, _, answer := dismissing(t, 2*time.Minute)
		assert.Equal(t, "server0", <-answer)
		assert.Zero(t, client.Status().Totals.Rescued)
		assert.Zero(t, client.Status().Totals.Retried)
	})
}
