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
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestShutdownLetsUnaryCallsFinishAndEndsStreams(t *testing.T) {
	for name, policy := range map[string]cantonlb.Policy{"round robin": cantonlb.HealthyRoundRobin, "active-passive": cantonlb.ActivePassive} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				client := clientkit.Connect(t, c, cantonlb.Config{Policy: policy}, 2)
				stream, err := lbtest.Ticks(t.Context(), client, 10*time.Millisecond)
				require.NoError(t, err)
				_, err = stream.Recv()
				require.NoError(t, err)
				c.SetLatency(0, 3*time.Second)
				c.SetLatency(1, 3*time.Second)
				ended := make(chan error, 1)
				go func() { ended <- call(t.Context(), client) }()
				synctest.Wait()

				began := time.Now()
				done := make(chan error, 2)
				for range 2 {
					go func() { done <- client.Shutdown(t.Context()) }()
				}
				synctest.Wait()
				err = call(t.Context(), client)
				require.ErrorIs(t, err, cantonlb.ErrShutdown)
				assert.Equal(t, codes.Unavailable, status.Code(err))
				_, err = lbtest.Ticks(t.Context(), client, time.Second)
				require.ErrorIs(t, err, cantonlb.ErrShutdown)
				require.ErrorIs(t, endOf(stream), cantonlb.ErrShutdown)
				assert.Equal(t, began, time.Now(), "streams end at once")

				require.NoError(t, <-ended, "the call in flight finishes")
				require.NoError(t, <-done)
				require.NoError(t, <-done)
				assert.InDelta(t, 3, time.Since(began).Seconds(), 0.1)
				require.NoError(t, client.Shutdown(t.Context()))
				require.NoError(t, client.Close())
				require.Error(t, call(t.Context(), client))
			})
		})
	}
}

func TestShutdownEndsStreamsThatWaitForAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		c.Kill(0)
		client := clientkit.Connect(t, c, cantonlb.Config{NoneEligible: cantonlb.Wait}, 0)
		ended := make(chan error, 1)
		go func() {
			stream, err := lbtest.Ticks(t.Context(), client, time.Second)
			if err == nil {
				_, err = stream.Recv()
			}
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, client.Shutdown(t.Context()))
		require.ErrorIs(t, <-ended, cantonlb.ErrShutdown)
	})
}

func TestShutdownClosesTheClientWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{}, 1)
		c.Hang(0)
		ended := make(chan error, 1)
		go func() { ended <- call(t.Context(), client) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := client.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.EqualError(t, err, "cantonlb: shutdown: 1 calls did not finish: context deadline exceeded")
		require.Error(t, <-ended)
	})
}

func TestCloseIsSafeAfterAnotherHasClosedTheChannel(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, c, cantonlb.Config{}, 1)
	require.NoError(t, client.Conn().Close())
	require.Error(t, call(t.Context(), client))
	assert.Empty(t, client.Status().Endpoints)
	require.Error(t, client.Update(clientkit.Endpoints(c)))
	require.NoError(t, client.Close())
	require.NoError(t, client.Close())
	require.NoError(t, client.Shutdown(t.Context()))
}

func TestWaitDrainedWaitsForTheLastCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{}, 2)
		require.ErrorContains(t, client.WaitDrained(t.Context(), "server0"), `endpoint "server0" is not drained`)
		require.ErrorContains(t, client.WaitDrained(t.Context(), "sever0"), `no endpoint "sever0" in the list`)
		c.SetLatency(0, time.Second)
		c.SetLatency(1, time.Second)
		for range 2 {
			go func() { _ = call(t.Context(), client) }()
		}
		synctest.Wait()
		require.NoError(t, client.Drain("server0"))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := client.WaitDrained(ctx, "server0")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, `endpoint "server0" has 1 calls in flight`)
		began := time.Now()
		require.NoError(t, client.WaitDrained(t.Context(), "server0"))
		assert.InDelta(t, 0.9, time.Since(began).Seconds(), 0.05)

		go func() { _ = call(t.Context(), client) }()
		synctest.Wait()
		require.NoError(t, client.Undrain("server0"))
		require.NoError(t, client.WaitHealthy(t.Context(), 2))
		require.NoError(t, client.Update(clientkit.Endpoints(c)[:1]))
		began = time.Now()
		require.NoError(t, client.WaitDrained(t.Context(), "server1"), "it has left the list with a call in flight")
		assert.InDelta(t, 1, time.Since(began).Seconds(), 0.1)

		c.Kill(1)
		require.NoError(t, client.Update(clientkit.Endpoints(c)[1:]))
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorContains(t, client.WaitDrained(ctx, "server0"), `endpoint "server0" has left the list and still serves`)
		require.NoError(t, client.Close())
		require.Error(t, client.WaitDrained(t.Context(), "server0"))
	})
}

func TestStreamsLeaveAnEndpointThatIsNoLongerPicked(t *testing.T) {
	for name, x := range map[string]struct {
		leave func(*lbtest.Cluster, *cantonlb.Client) error
		why   report.Reason
	}{
		"drained":   {func(_ *lbtest.Cluster, client *cantonlb.Client) error { return client.Drain("server0") }, report.ReasonDrained},
		"unhealthy": {func(c *lbtest.Cluster, _ *cantonlb.Client) error { c.SetServing(0, "", false); return nil }, report.ReasonNotServing},
		"left the list": {func(c *lbtest.Cluster, client *cantonlb.Client) error {
			return client.Update(clientkit.Endpoints(c)[1:])
		}, report.ReasonLeftList},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				client := clientkit.Connect(t, c, cantonlb.Config{StreamDrain: 10 * time.Second}, 2)
				streams := map[string]interface{ Recv() error }{}
				for len(streams) < 2 {
					stream, err := lbtest.Ticks(t.Context(), client, time.Second)
					require.NoError(t, err)
					header, err := stream.Header()
					require.NoError(t, err)
					streams[header.Get(lbtest.ServerHeader)[0]] = receiver(func() error { _, err := stream.Recv(); return err })
				}
				began := time.Now()
				require.NoError(t, x.leave(c, client))
				for range 9 {
					require.NoError(t, streams["server0"].Recv())
				}
				var err error
				for err == nil {
					err = streams["server0"].Recv()
				}
				var moved *cantonlb.MovedError
				require.ErrorAs(t, err, &moved)
				assert.Equal(t, cantonlb.MovedError{From: "server0", Reason: x.why}, *moved)
				assert.ErrorContains(t, err, `endpoint "server0" is not picked any more (`+string(x.why)+`)`)
				assert.InDelta(t, 10, time.Since(began).Seconds(), 0.2)
				require.NoError(t, streams["server1"].Recv())
			})
		})
	}
}

type receiver func() error

func (f receiver) Recv() error { return f() }

func TestStreamsStayIfTheEndpointIsBackOrTheyHaveNowhereToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{StreamDrain: 10 * time.Second}, 1)
		stream, err := lbtest.Ticks(t.Context(), client, time.Second)
		require.NoError(t, err)
		receive := func(d time.Duration) {
			for until := time.Now().Add(d); time.Now().Before(until); {
				_, err := stream.Recv()
				require.NoError(t, err)
			}
		}
		require.NoError(t, client.Drain("server0"))
		receive(5 * time.Second)
		require.NoError(t, client.Undrain("server0"))
		receive(20 * time.Second)
		c.SetServing(0, "", false)
		receive(time.Minute)
		c.SetServing(0, "", true)
		receive(time.Minute)
		require.NoError(t, client.Drain("server0"))
		var moved *cantonlb.MovedError
		require.ErrorAs(t, endOf(stream), &moved)
	})
	_, err := cantonlb.NewClient(cantonlb.Config{Policy: cantonlb.ActivePassive, StreamDrain: time.Second})
	assert.ErrorContains(t, err, "streamDrain: set, but the policy active_passive does not use it; want the policy healthy_round_robin")
	_, err = cantonlb.NewClient(cantonlb.Config{StreamDrain: -1})
	assert.ErrorContains(t, err, `streamDrain "-1ns": want a duration`)
}
