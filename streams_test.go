package cantonlb_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func streams(n uint32) lbtest.Option { return lbtest.WithServerOptions(grpc.MaxConcurrentStreams(n)) }

// longStreams opens so many streams on a client, which last as long as ctx. Those that
// get no stream wait for one.
func longStreams(ctx context.Context, t *testing.T, client *cantonlb.Client, n int) *sync.WaitGroup {
	t.Helper()
	all := new(sync.WaitGroup)
	for range n {
		all.Go(func() {
			if stream, err := lbtest.Ticks(ctx, client, time.Hour); err == nil {
				for err == nil {
					_, err = stream.Recv()
				}
			}
		})
	}
	synctest.Wait()
	return all
}

func TestCallsDoNotWaitForServersThatAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, streams(20))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
		require.NoError(t, client.Drain("server2"))
		ctx, cancel := context.WithCancel(t.Context())
		open := longStreams(ctx, t, client, 38)
		require.NoError(t, client.Undrain("server2"))
		cluster.SetLatency(2, time.Millisecond)
		var calls sync.WaitGroup
		for range 1000 {
			calls.Go(func() {
				name, err := lbtest.ServedBy(testkit.Within(t, 2*time.Second), client)
				assert.NoError(t, err)
				assert.Equal(t, "server2", name)
			})
			time.Sleep(100 * time.Microsecond)
		}
		calls.Wait()
		for _, e := range client.Status().Endpoints {
			assert.Equal(t, cantonlb.StateHealthy, e.State, e.Name)
		}
		cancel()
		open.Wait()
	})
}

// leavings take server0 out of service while calls wait for a stream of it.
var leavings = map[string]func(*testing.T, *lbtest.Cluster, *cantonlb.Client){
	"NOT_SERVING": func(_ *testing.T, c *lbtest.Cluster, _ *cantonlb.Client) { c.SetServing(0, "", false) },
	"drained":     func(t *testing.T, _ *lbtest.Cluster, c *cantonlb.Client) { assert.NoError(t, c.Drain("server0")) },
	"hanging":     func(_ *testing.T, c *lbtest.Cluster, _ *cantonlb.Client) { c.Hang(0) },
	"killed":      func(_ *testing.T, c *lbtest.Cluster, _ *cantonlb.Client) { c.Kill(0) },
	"removed": func(t *testing.T, cluster *lbtest.Cluster, c *cantonlb.Client) {
		assert.NoError(t, c.Update(clientkit.Endpoints(cluster)[1:]))
	},
	"switched": func(t *testing.T, _ *lbtest.Cluster, c *cantonlb.Client) {
		assert.NoError(t, c.Switch(t.Context(), "server1"))
	},
}

func TestACallThatWaitsForAStreamGoesToTheNewActiveEndpoint(t *testing.T) {
	for name, leave := range leavings {
		for _, idempotent := range [][]string{nil, echoIsIdempotent} {
			t.Run(fmt.Sprintf("%s, %s", name, idempotent), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, streams(10))
					client := clientkit.Connect(t, cluster, cantonlb.Config{Policy: cantonlb.ActivePassive, Idempotent: idempotent}, 2)
					ctx, cancel := context.WithCancel(t.Context())
					open := longStreams(ctx, t, client, 9)
					before := cluster.Calls(0)
					served := make(chan string, 2)
					go func() {
						by, err := lbtest.ServedBy(testkit.Context(t), client)
						assert.NoError(t, err)
						served <- by
					}()
					go func() {
						stream, err := lbtest.Ticks(testkit.Context(t), client, time.Hour)
						if !assert.NoError(t, err) {
							return
						}
						header, err := stream.Header()
						assert.NoError(t, err)
						served <- fmt.Sprint(header.Get(lbtest.ServerHeader))
					}()
					time.Sleep(100 * time.Millisecond)
					assert.Empty(t, served, "they wait")
					leave(t, cluster, client)
					for range 2 {
						assert.Contains(t, testkit.Receive(t, served), "server1")
					}
					assert.Equal(t, before, cluster.Calls(0))
					cancel()
					open.Wait()
				})
			})
		}
	}
}

func TestACallGetsTheStreamThatAnotherCallHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, streams(5))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		open := longStreams(ctx, t, client, 4)
		_, err := lbtest.ServedBy(testkit.Within(t, time.Second), client)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.ErrorContains(t, err, "deadline exceeded while waiting: no stream is left on the connections to server0")

		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				_, err := lbtest.ServedBy(testkit.Within(t, time.Minute), client)
				assert.NoError(t, err)
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		cancel()
		calls.Wait()
		open.Wait()
		assert.Less(t, time.Since(start), time.Second)
		assert.Equal(t, uint64(0), endpoint(client.Status(), "server0").Calls.InFlight)
	})
}
