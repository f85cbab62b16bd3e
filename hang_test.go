package cantonlb_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestAHangIsFoundByTheSilenceOfCallsWhateverTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{
			HealthCheck: healthcheck.Config{Interval: time.Hour}, Idempotent: echoIsIdempotent,
		}, 3)
		testkit.Spread(t, client, 3)
		cluster.Hang(0)
		start := time.Now()
		for range 3 {
			go func() { _, _ = lbtest.ServedBy(testkit.Context(t), client) }()
		}
		time.Sleep(1100 * time.Millisecond)
		e := endpoint(client.Status(), "server0")
		assert.Equal(t, report.Unhealthy, e.Health)
		assert.LessOrEqual(t, e.Since.Sub(start), 1100*time.Millisecond, "silence + timeout + suspect interval + timeout")
	})
}

func TestQuietStreamsAndLongCallsDoNotMakeAnEndpointUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
		require.NoError(t, err)
		_, err = stream.Recv() // the first comes at once
		require.NoError(t, err)
		cluster.SetLatency(0, 30*time.Second)
		done := make(chan error, 1)
		go func() {
			_, err := lbtest.ServedBy(t.Context(), client)
			done <- err
		}()
		before := cluster.HealthCalls(0)
		time.Sleep(25 * time.Second)
		e := endpoint(client.Status(), "server0")
		assert.True(t, e.Eligible)
		assert.Empty(t, e.ConnectionError)
		assert.LessOrEqual(t, cluster.HealthCalls(0)-before, 60, "and cost next to nothing")
		assert.NoError(t, <-done)
	})
}

func TestAServerThatPausesShortlyIsNotCalledDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		for range 20 {
			cluster.Hang(0)
			for range 4 {
				go func() { _, _ = lbtest.ServedBy(testkit.Context(t), client) }()
			}
			time.Sleep(400 * time.Millisecond) // a garbage collection
			assert.NotEqual(t, report.Unhealthy, endpoint(client.Status(), "server0").Health)
			cluster.Resume(0)
			time.Sleep(1700 * time.Millisecond)
		}
		assert.True(t, endpoint(client.Status(), "server0").Eligible)
	})
}

func TestAFarServerIsNotCalledDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		cluster.SetHealthLatency(0, 250*time.Millisecond)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		for range 60 {
			time.Sleep(time.Second)
			assert.True(t, endpoint(client.Status(), "server0").Eligible)
		}
	})
}

func TestAConnectionWithoutASignOfLifeIsClosedAndItsStreamsEndWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)

		cluster.Hang(0)
		start := time.Now()
		_, err = stream.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, `endpoint "server0" has shown no sign of life for 3`)
		assert.Less(t, time.Since(start), 5*time.Second)

		cluster.Resume(0)
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	})
}

func TestAServerThatAnswersProbesIsNeverCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		stream, err := lbtest.Ticks(t.Context(), client, time.Minute)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		cluster.SetServing(0, "", false) // unhealthy, and alive
		_, err = stream.Recv()
		assert.NoError(t, err)
	})
}

func TestABusyServerWithAllItsStreamsTakenIsNotCalledDeadAndOneThatThenHangsIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(3)))
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		for range 2 { // and the health Watch
			stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
		}
		for range 30 {
			time.Sleep(time.Second)
			assert.True(t, endpoint(client.Status(), "server0").Eligible)
		}
		cluster.Hang(0)
		time.Sleep(5 * time.Second)
		assert.False(t, endpoint(client.Status(), "server0").Eligible)
	})
}

func TestAnEndpointIsBackSoonAfterItsServerHoweverLongItWasDown(t *testing.T) {
	for _, outage := range []time.Duration{3 * time.Second, 20 * time.Second, 3 * time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
				cluster.Kill(0)
				time.Sleep(outage)
				assert.Equal(t, 1, client.Status().Eligible())
				cluster.Restart(0)
				time.Sleep(1500 * time.Millisecond)
				assert.Equal(t, 2, client.Status().Eligible())
			})
		})
	}
}

func TestAServerWhoseStreamsAreAliveIsNotCutBecauseItsProbesFail(t *testing.T) {
	for name, code := range map[string]codes.Code{"denied": codes.Unauthenticated, "broken": codes.Internal} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
				client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
				stream, err := lbtest.Ticks(t.Context(), client, 100*time.Millisecond)
				require.NoError(t, err)
				cluster.FailHealthCalls(0, code, "the health service is out of order")
				for range 300 {
					_, err := stream.Recv()
					require.NoError(t, err)
				}
			})
		})
	}
}

func TestCallsAfterAQuietTimeRaiseNoSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: healthcheck.Config{Interval: time.Hour}}, 1)
		testkit.Spread(t, client, 3)
		cluster.SetLatency(0, 100*time.Millisecond)
		before := cluster.HealthCalls(0)
		for range 20 {
			time.Sleep(5 * time.Second)
			_, err := lbtest.ServedBy(testkit.Context(t), client)
			require.NoError(t, err)
		}
		assert.Equal(t, before, cluster.HealthCalls(0))
	})
}
