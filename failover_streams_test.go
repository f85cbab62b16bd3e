package cantonlb_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// A stream on a server that hangs waits for nothing, while one that flows may finish.
func TestStreamsOnAnActiveEndpointThatHangsMoveWithTheSwitch(t *testing.T) {
	for name, flows := range map[string]bool{"all of it hangs": false, "its streams flow": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				cfg := activePassive()
				cfg.Failover.Drain = 5 * time.Second
				cfg.HealthCheck.NoWatch = true
				cfg.DeadAfter = time.Minute
				client := clientkit.Connect(t, c, cfg, 2)
				stream, err := lbtest.Ticks(t.Context(), client, 100*time.Millisecond)
				require.NoError(t, err)
				time.Sleep(10 * time.Second)
				hung := time.Now()
				if flows {
					c.SetHealthLatency(0, time.Hour)
				} else {
					c.Hang(0)
				}
				err = endOf(stream)
				var moved *cantonlb.MovedError
				require.ErrorAs(t, err, &moved)
				assert.Equal(t, "server0", moved.From)
				if flows {
					assert.Greater(t, time.Since(hung), 5*time.Second)
				} else {
					assert.Less(t, time.Since(hung), 1800*time.Millisecond)
				}
			})
		})
	}
}

// The active replica reports that it is no longer active, as before planned maintenance.
func TestAPlannedDemotionFailsNoCallAndStreamsMoveWithinTheDrainWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := activePassive()
		cfg.Failover.Drain = 3 * time.Second
		client := clientkit.Connect(t, c, cfg, 2)
		stream, err := lbtest.Ticks(t.Context(), client, 100*time.Millisecond)
		require.NoError(t, err)
		c.SetLatency(0, time.Second)
		long := make(chan string, 1)
		go func() {
			name, err := lbtest.ServedBy(testkit.Context(t), client)
			assert.NoError(t, err)
			long <- name
		}()
		synctest.Wait()

		pushed := time.Now()
		c.SetServing(0, "", false)
		synctest.Wait()
		events := client.Events()
		last := events[len(events)-1]
		assert.Equal(t, cantonlb.EventSwitch, last.Kind)
		assert.LessOrEqual(t, last.At.Sub(pushed), 50*time.Millisecond, "from the push to the switch")
		assert.Equal(t, `switch 2: "server0" -> "server1" (not_serving)`, last.String())
		assert.Equal(t, "server0", <-long, "a unary call in flight is left to finish")
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))

		err = endOf(stream)
		assert.Equal(t, 3*time.Second, time.Since(pushed))
		var moved *cantonlb.MovedError
		require.ErrorAs(t, err, &moved)
		assert.Equal(t, cantonlb.MovedError{From: "server0", To: "server1", Reason: report.ReasonNotServing}, *moved)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.EqualError(t, err, `rpc error: code = Unavailable desc = endpoint "server0" is not the active one any more (not_serving): "server1" is`)
		_, again := stream.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(again))

		c.ResetCounts()
		stream, err = lbtest.Ticks(t.Context(), client, time.Second)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		assert.Equal(t, 1, c.Calls(1), "it comes to the new active")
	})
}

func TestAStreamStaysIfItsEndpointIsTheActiveAgainInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 2)
		stream, err := lbtest.Ticks(t.Context(), client, 100*time.Millisecond)
		require.NoError(t, err)
		require.NoError(t, client.Switch(t.Context(), "server1"))
		time.Sleep(4 * time.Second)
		require.NoError(t, client.Switch(t.Context(), "server0"))
		for range 100 {
			_, err := stream.Recv()
			require.NoError(t, err)
		}
		require.NoError(t, client.Switch(t.Context(), "server1"))
		time.Sleep(time.Second)
		err = endOf(stream)
		assert.ErrorContains(t, err, "not the active one any more (by_hand)")
	})
}

func TestACallerWhoEndsAMovableStreamGetsItsOwnReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 2)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := lbtest.Ticks(ctx, client, time.Hour)
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		cancel()
		_, err = stream.Recv()
		assert.Equal(t, codes.Canceled, status.Code(err))
		var moved *cantonlb.MovedError
		assert.NotErrorAs(t, err, &moved)
	})
}
