package cantonlb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// activePassive is a config whose idempotent calls wait for an active.
func activePassive() cantonlb.Config {
	return cantonlb.Config{Policy: cantonlb.ActivePassive, NoneEligible: cantonlb.Wait, Idempotent: echoIsIdempotent}
}

// replicas makes a cluster of which the first serves and the others stand by.
func replicas(t *testing.T, n int, opts ...lbtest.Option) *lbtest.Cluster {
	t.Helper()
	c := lbtest.NewCluster(t, n, lbtest.RegisterEcho, opts...)
	for i := 1; i < n; i++ {
		c.SetServing(i, "", false)
	}
	return c
}

func active(client *cantonlb.Client) string { return client.Status().Failover.Active }

// switches gives the switches so far, as "from>to reason", without the first
// choice.
func switches(client *cantonlb.Client) []string {
	list := []string{}
	for _, e := range client.Events() {
		if e.Kind == cantonlb.EventSwitch && e.Switch.Number > 1 {
			list = append(list, fmt.Sprintf("%s>%s %s", e.Switch.From, e.Switch.To, e.Reason))
		}
	}
	return list
}

// keepCalling makes calls at a steady rate, each with this time to succeed, until stop is
// called, which gives the number of calls and the errors.
func keepCalling(ctx context.Context, client *cantonlb.Client, every, limit time.Duration) (stop func() (calls int64, errs []error)) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		calls atomic.Int64
		mu    sync.Mutex
		errs  []error
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for ctx.Err() == nil {
			calls.Add(1)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
				defer cancel()
				if _, err := lbtest.ServedBy(ctx, client); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				}
			})
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	})
	return func() (int64, []error) {
		cancel()
		wg.Wait()
		return calls.Load(), errs
	}
}

// endOf gives the error with which a stream ends, within a thousand messages.
func endOf(stream grpc.ServerStreamingClient[wrapperspb.UInt64Value]) error {
	for range 1000 {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return errors.New("the stream does not end")
}

func TestAllCallsGoToTheActiveWhichStaysWhileItIsEligible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 3)
		assert.Equal(t, map[string]int{"server0": 30}, testkit.Spread(t, client, 30))
		c.SetServing(0, "", false)
		synctest.Wait()
		assert.Equal(t, map[string]int{"server1": 30}, testkit.Spread(t, client, 30))
		c.SetServing(0, "", true)
		time.Sleep(time.Hour)
		assert.Equal(t, map[string]int{"server1": 30}, testkit.Spread(t, client, 30))
		assert.Equal(t, []string{"server0>server1 not_serving"}, switches(client))
		s := client.Status()
		assert.Equal(t, "active_passive", s.Policy)
		assert.True(t, endpoint(s, "server1").Active)
		assert.False(t, endpoint(s, "server0").Active)
		assert.Equal(t, "server1", s.Failover.Active)
		assert.EqualValues(t, 2, s.Failover.Switches)
	})
}

func TestStandbysAreKeptConnectedAndProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 2)
		before := c.HealthCalls(1)
		time.Sleep(10 * time.Second)
		assert.Equal(t, 1, c.Conns(1))
		assert.Greater(t, c.HealthCalls(1), before+5)
		assert.Zero(t, c.Calls(1))
		assert.Equal(t, 2, client.Status().Eligible())
	})
}

// The active says that it is not any more, as before planned maintenance.
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
		moved, ok := errors.AsType[*cantonlb.MovedError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, cantonlb.MovedError{From: "server0", To: "server1", Reason: healthcheck.ReasonNotServing}, *moved)
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

// Nodes tell their health on a port of their own: a push counts from there as well.
func TestASwitchFollowsThePushFromAHealthPortAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replicas(t, 2, lbtest.WithHealthServices("mediator"))
		c.SetServing(1, "mediator", false)
		cfg := activePassive()
		cfg.Policy, cfg.Role = "", cantonlb.Mediator
		cfg.HealthCheck.GRPCPort = 1 // that of every server here
		client := clientkit.Connect(t, c, cfg, 1)
		for range 10 {
			time.Sleep(3 * time.Second)
			pushed := time.Now()
			c.SetServing(0, "mediator", false)
			c.SetServing(1, "mediator", true)
			for active(client) != "server1" {
				time.Sleep(time.Millisecond)
			}
			assert.LessOrEqual(t, time.Since(pushed), 300*time.Millisecond)
			c.SetServing(1, "mediator", false)
			synctest.Wait()
			assert.Empty(t, active(client), "within no time")
			c.SetServing(0, "mediator", true)
			time.Sleep(300 * time.Millisecond)
			assert.Equal(t, "server0", active(client))
		}
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
		_, ok := errors.AsType[*cantonlb.MovedError](err)
		assert.False(t, ok)
	})
}

// Ten alternating kills under load, of replicas that refuse connections while they
// are passive, as a participant's Ledger API does.
func TestTenAlternatingKillsLoseNoIdempotentCallAndEachSwitchIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takeover = 20 * time.Second
		c := replicas(t, 2)
		c.Kill(1)
		c.SetServing(1, "", true)
		client := clientkit.Connect(t, c, activePassive(), 1)
		stop := keepCalling(t.Context(), client, 50*time.Millisecond, time.Minute)
		var want []string
		for round := range 10 {
			old, next := round%2, (round+1)%2
			time.Sleep(5 * time.Second)
			c.Kill(old)
			time.Sleep(takeover)
			taken := time.Now()
			c.Restart(next)
			for active(client) != fmt.Sprintf("server%d", next) {
				time.Sleep(10 * time.Millisecond)
			}
			assert.LessOrEqual(t, time.Since(taken), 1300*time.Millisecond, "the client's own share of the gap")
			want = append(want, fmt.Sprintf("server%d>server%d connect_failed", old, next))
		}
		calls, errs := stop()
		assert.Empty(t, errs)
		assert.Greater(t, calls, int64(2000))
		assert.Equal(t, want, switches(client))
	})
}

// The same of replicas that stay connected and say NOT_SERVING while they are
// passive, as nodes with a health server do.
func TestWhenTheStandbyIsWarmTheSwitchFollowsItsTakeoverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takeover = 15 * time.Second
		c := replicas(t, 2)
		client := clientkit.Connect(t, c, activePassive(), 1)
		stop := keepCalling(t.Context(), client, 50*time.Millisecond, time.Minute)
		for round := range 10 {
			old, next := round%2, (round+1)%2
			time.Sleep(5 * time.Second)
			c.Kill(old)
			c.SetServing(old, "", false)
			time.Sleep(takeover)
			taken := time.Now()
			c.SetServing(next, "", true)
			for active(client) != fmt.Sprintf("server%d", next) {
				time.Sleep(10 * time.Millisecond)
			}
			assert.LessOrEqual(t, time.Since(taken), 300*time.Millisecond)
			c.Restart(old)
		}
		_, errs := stop()
		assert.Empty(t, errs)
		assert.Len(t, switches(client), 10)
	})
}

func TestAHungActiveIsLeftAndItsIdempotentCallsAreMadeOnTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 2)
		stream, err := lbtest.Ticks(t.Context(), client, 10*time.Millisecond)
		require.NoError(t, err)
		stop := keepCalling(t.Context(), client, 20*time.Millisecond, 2*time.Second)
		time.Sleep(time.Second)
		c.Hang(0)
		hung := time.Now()
		for active(client) == "server0" {
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(hung), 1300*time.Millisecond)
		time.Sleep(5 * time.Second)
		_, errs := stop()
		assert.Empty(t, errs)
		err = endOf(stream)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Equal(t, []string{"server0>server1 probe_timeout"}, switches(client))
	})
}

func TestWithNobodyActiveCallsGetWhatTheConfigSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for policy, want := range map[cantonlb.NoneEligible]codes.Code{
			cantonlb.FailFast: codes.Unavailable, cantonlb.Wait: codes.DeadlineExceeded,
		} {
			c := replicas(t, 2)
			client := clientkit.Connect(t, c, cantonlb.Config{Policy: cantonlb.ActivePassive, NoneEligible: policy}, 1)
			c.SetServing(0, "", false)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := lbtest.ServedBy(ctx, client)
			cancel()
			_ = noneEligible(t, err)
			assert.Equal(t, want, status.Code(err))
			_, err = lbtest.ServedBy(ctx, client)
			require.Error(t, err)

			s := client.Status().Failover
			assert.Empty(t, s.Active)
			assert.Equal(t, "server0", s.Last)
			assert.Equal(t, healthcheck.ReasonNotServing, s.Lost)

			time.AfterFunc(45*time.Second, func() { c.SetServing(1, "", true) })
			ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			name, err := lbtest.ServedBy(ctx, client, grpc.WaitForReady(true))
			cancel()
			require.NoError(t, err, "a call that waits rides through a takeover")
			assert.Equal(t, "server1", name)
		}
	})
}

func TestFailOpenGoesToWhoWasActiveLastAndToNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{Policy: cantonlb.ActivePassive, NoneEligible: cantonlb.FailOpen}, 3)
		require.NoError(t, client.Switch(t.Context(), "server1"))
		for _, i := range []int{0, 2, 1} { // the active last
			c.SetServing(i, "", false)
			synctest.Wait()
		}
		clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 && !s.NoneEligibleSince.IsZero() })
		for range 20 {
			name, err := lbtest.ServedBy(testkit.Context(t), client)
			require.NoError(t, err)
			assert.Equal(t, "server1", name)
		}
		status := client.Status()
		for _, e := range status.Endpoints {
			assert.Equal(t, e.Name == "server1", e.FailOpen)
		}
		assert.Equal(t, []string{"no endpoint is eligible: calls go to 1 of them all the same (failOpen)"}, status.Notes)
	})
}

func TestAnActiveThatFlapsCausesNoMoreSwitchesThanTheBound(t *testing.T) {
	for name, flapping := range map[string]int{"active": 0, "standby": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				cfg := activePassive()
				cfg.Failover.FailBack = cantonlb.FailBackAfterHold
				client := clientkit.Connect(t, c, cfg, 2)
				stop := keepCalling(t.Context(), client, 20*time.Millisecond, 10*time.Second)
				for second := range 120 {
					c.SetServing(flapping, "", second%2 == 1)
					time.Sleep(time.Second)
				}
				_, errs := stop()
				assert.Empty(t, errs)
				assert.LessOrEqual(t, len(switches(client)), 1-flapping, "%v", switches(client))
			})
		})
	}
}

// Whatever flaps, a call made after the event of a switch is never sent to the one
// that was active before.
func TestACallMadeAfterASwitchIsNeverSentToTheOldOne(t *testing.T) {
	c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, c, activePassive(), 2)
	stop := keepCalling(t.Context(), client, time.Millisecond, testkit.Patience)
	reader := client.Subscribe(testkit.Context(t))
	seen := 0
	for news := range reader {
		for _, e := range news.Events {
			if e.Kind != cantonlb.EventSwitch {
				continue
			}
			for range 5 {
				name, err := lbtest.ServedBy(testkit.Context(t), client)
				require.NoError(t, err)
				require.Equal(t, e.Switch.To, name)
			}
			seen++
		}
		if seen == 50 {
			break
		}
		next := map[string]string{"server0": "server1", "server1": "server0"}[active(client)]
		require.NoError(t, client.Switch(t.Context(), next))
	}
	_, errs := stop()
	assert.Empty(t, errs)
	assert.Equal(t, 50, seen)
}

func TestTwoThatBothServeAreReportedAndTheActiveStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replicas(t, 2)
		client := clientkit.Connect(t, c, activePassive(), 1)
		for range 10 {
			c.SetServing(1, "", true)
			time.Sleep(time.Second)
			assert.Equal(t, "server0", active(client))
			assert.Equal(t, []string{"server0", "server1"}, client.Status().Failover.Multiple)
			assert.Equal(t, []string{"several endpoints say that they serve, of which one at a time should: server0, server1"}, client.Status().Notes)
			c.SetServing(1, "", false)
			time.Sleep(time.Second)
			assert.Empty(t, client.Status().Failover.Multiple)
			assert.Empty(t, client.Status().Notes)
		}
		reports := 0
		for _, e := range client.Events() {
			if e.Kind == cantonlb.EventMultipleActive && e.To == "multiple_active" {
				reports++
				assert.Equal(t, "multiple_active: one_active -> multiple_active (multiple_active: server0, server1)", e.String())
			}
		}
		assert.Equal(t, 10, reports)
		assert.Empty(t, switches(client))
	})
}

func TestFailBackToThePreferredComesAfterTheHoldDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := activePassive()
		cfg.Endpoints = clientkit.Endpoints(c)
		cfg.Endpoints[0].Priority = 7
		cfg.Failover = cantonlb.Failover{FailBack: cantonlb.FailBackAfterHold, HoldDown: time.Minute}
		client := clientkit.Connect(t, c, cfg, 2)
		assert.Equal(t, "server1", active(client), "the lower number is preferred")
		c.SetServing(1, "", false)
		time.Sleep(time.Hour)
		c.SetServing(1, "", true)
		time.Sleep(59 * time.Second)
		assert.Equal(t, "server0", active(client))
		time.Sleep(2 * time.Second)
		assert.Equal(t, "server1", active(client))
		assert.Equal(t, []string{"server1>server0 not_serving", "server0>server1 fail_back"}, switches(client))
	})
}

func TestAServerThatAgesItsConnectionsStaysTheActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 2 * time.Second, MaxConnectionAgeGrace: time.Second,
		})))
		client := clientkit.Connect(t, c, activePassive(), 2)
		stop := keepCalling(t.Context(), client, 20*time.Millisecond, 5*time.Second)
		time.Sleep(time.Minute)
		_, errs := stop()
		assert.Empty(t, errs)
		assert.Empty(t, switches(client))
		assert.Greater(t, c.TotalConns(0), 20)
	})
}

func TestCommandsMoveTheActiveOrAreRefusedWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		c.SetServing(2, "", false)
		client := clientkit.Connect(t, c, activePassive(), 2)
		refused := func(err error, text string, reason healthcheck.Reason) {
			t.Helper()
			r, ok := errors.AsType[*cantonlb.RefusedError](err)
			require.True(t, ok, "%v", err)
			assert.EqualError(t, err, "cantonlb: "+text)
			assert.Equal(t, reason, r.Reason)
		}
		synctest.Wait() // until server2 is known to be passive
		require.NoError(t, client.Switch(t.Context(), "server1"))
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
		refused(client.Switch(t.Context(), "server2"), `switch "server2" refused: it is not eligible (not_serving)`, healthcheck.ReasonNotServing)
		refused(client.Switch(t.Context(), "x"), `switch "x" refused: no such endpoint in the list`, healthcheck.ReasonNone)

		require.NoError(t, client.Pin("server0"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		assert.Equal(t, "server0", client.Status().Failover.Pinned)
		refused(client.Drain("server0"), `drain "server0" refused: the active is pinned to it: unpin it first (pinned)`, healthcheck.ReasonPinned)
		c.SetServing(0, "", false)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := lbtest.ServedBy(ctx, client)
		cancel()
		assert.ErrorContains(t, err, "the active is pinned to server0")
		require.NoError(t, client.Unpin())
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))

		refused(client.Drain("server1"), `drain "server1" refused: no other endpoint could be active (no_standby)`, healthcheck.ReasonNoStandby)
		c.SetServing(0, "", true)
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
		require.NoError(t, client.Drain("server1"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		require.NoError(t, client.Undrain("server1"))
		assert.Equal(t, map[string]int{"server0": 10}, testkit.Spread(t, client, 10))
		assert.Equal(t, []string{
			"server0>server1 by_hand", "server1>server0 pinned", "server0>server1 not_serving", "server1>server0 drained",
		}, switches(client))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, client.Switch(ended, "server1"), context.Canceled)
	})
}

func TestCommandsNeedThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientkit.Connect(t, lbtest.NewCluster(t, 1, lbtest.RegisterEcho), cantonlb.Config{}, 1)
		const want = "cantonlb: the policy healthy_round_robin picks every eligible endpoint in turn: " +
			"there is no active one to choose; want the policy active_passive"
		assert.EqualError(t, client.Switch(t.Context(), "server0"), want)
		assert.EqualError(t, client.Pin("server0"), want)
		assert.EqualError(t, client.Unpin(), want)
		assert.Nil(t, client.Status().Failover)
		require.NoError(t, client.Close())
		assert.EqualError(t, client.Pin("server0"), "cantonlb: the client is closed")
	})
}

func TestALeavingActiveServesUntilItsSuccessorsAreDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		c.SetHealthLatency(2, 0)
		cfg := activePassive()
		all := clientkit.Endpoints(c)
		cfg.Endpoints = all[:2]
		client := clientkit.Connect(t, c, cfg, 2)
		stream, err := lbtest.Ticks(t.Context(), client, 100*time.Millisecond)
		require.NoError(t, err)
		stop := keepCalling(t.Context(), client, 5*time.Millisecond, time.Second)
		require.NoError(t, client.Update(all[2:]))
		time.Sleep(time.Second)
		_, errs := stop()
		assert.Empty(t, errs)
		assert.Equal(t, []string{"server0>server2 left_list"}, switches(client))
		err = endOf(stream)
		assert.ErrorContains(t, err, `endpoint "server0" is not the active one any more (left_list): "server2" is`)
	})
}

func TestAChangeOfPrioritiesKeepsConnectionsAndTheActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, activePassive(), 2)
		list := clientkit.Endpoints(c)
		list[0].Priority = 5
		require.NoError(t, client.Update(list))
		time.Sleep(time.Minute)
		assert.Equal(t, "server0", active(client))
		assert.Equal(t, 5, endpoint(client.Status(), "server0").Priority)
		c.SetServing(1, "", false)
		c.SetServing(0, "", false)
		synctest.Wait()
		c.SetServing(0, "", true)
		c.SetServing(1, "", true)
		time.Sleep(time.Second)
		assert.Equal(t, []int{1, 1}, []int{c.TotalConns(0), c.TotalConns(1)})
	})
}

func TestTheAnswerOfAPassiveReplicaHasAllEndpointsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replicas(t, 2)
		cfg := activePassive()
		cfg.HealthCheck = healthcheck.Config{Interval: time.Hour, NoWatch: true}
		client := clientkit.Connect(t, c, cfg, 1)
		time.Sleep(time.Minute)
		c.SetServing(0, "", false) // which nobody hears of: there is no Watch
		c.SetServing(1, "", true)
		c.FailCalls(0, codes.Unavailable, "NODE_IS_PASSIVE_REPLICA(1,0a1b2c3d): not active")
		began := time.Now()
		name, err := lbtest.ServedBy(testkit.Context(t), client)
		require.NoError(t, err)
		assert.Equal(t, "server1", name)
		assert.LessOrEqual(t, time.Since(began), 300*time.Millisecond)
	})
}

func TestTheFirstChoiceWaitsForThePreferredEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		c.SetHealthLatency(0, 500*time.Millisecond)
		c.FailHealthWatches(0, codes.Unimplemented, "")
		client := clientkit.Connect(t, c, activePassive(), 0)
		name, err := lbtest.ServedBy(testkit.Context(t), client)
		require.NoError(t, err)
		assert.Equal(t, "server0", name)

		c = lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		c.Partition(0)
		client = clientkit.Connect(t, c, activePassive(), 0)
		began := time.Now()
		name, err = lbtest.ServedBy(testkit.Context(t), client)
		require.NoError(t, err)
		assert.Equal(t, "server1", name)
		assert.LessOrEqual(t, time.Since(began), 1100*time.Millisecond, "but not for long")
	})
}

func TestRolesChooseThePolicyAndItsSettingsAreChecked(t *testing.T) {
	list := []cantonlb.Endpoint{{Address: "http://127.0.0.1:1"}}
	for role, policy := range map[cantonlb.Role]string{
		cantonlb.Generic: "healthy_round_robin", cantonlb.Sequencer: "healthy_round_robin",
		cantonlb.ParticipantLedger: "active_passive", cantonlb.ParticipantAdmin: "active_passive",
		cantonlb.Mediator: "active_passive", cantonlb.DomainManager: "active_passive",
	} {
		client, err := cantonlb.NewClient(cantonlb.Config{Role: role, Endpoints: list, HealthCheck: healthcheck.Config{GRPCPort: 2}})
		require.NoError(t, err)
		assert.Equal(t, policy, client.Status().Policy)
		assert.Equal(t, policy == "active_passive", client.Status().Failover != nil)
		require.NoError(t, client.Close())
	}
	hold := cantonlb.Failover{HoldDown: time.Second}
	for want, cfg := range map[string]cantonlb.Config{
		`policy "fastest": want "healthy_round_robin" or "active_passive"`:                                  {Policy: "fastest"},
		"failover: set, but the policy healthy_round_robin does not use it; want the policy active_passive": {Failover: hold},
		"zone: set, but the policy active_passive does not use it; want the policy healthy_round_robin":     {Policy: cantonlb.ActivePassive, Zone: "eu"},
		`failover.failBack "sometimes": want "never" or "afterHold"`:                                        {Role: cantonlb.ParticipantLedger, Failover: cantonlb.Failover{FailBack: "sometimes"}},
		`failover.holdDown "-1s": want a duration above zero, such as "1s"`:                                 {Policy: cantonlb.ActivePassive, Failover: cantonlb.Failover{HoldDown: -time.Second}},
		`failover.drain "48h0m0s": want a duration of at most 24h0m0s`:                                      {Policy: cantonlb.ActivePassive, Failover: cantonlb.Failover{Drain: 48 * time.Hour}},
		`endpoints[0].priority -1: out of range; want a whole number from 0 to 1000`:                        {Endpoints: []cantonlb.Endpoint{{Address: "http://a:1", Priority: -1}}},
	} {
		if cfg.Endpoints == nil {
			cfg.Endpoints = list
		}
		_, err := cantonlb.NewClient(cfg)
		assert.EqualError(t, err, "cantonlb: "+want)
	}
}

// A passive replica of the Ledger API refuses connections, and a takeover can last
// a minute.
func TestAReplicaThatRefusedConnectionsIsTheActiveSoonAfterItServes(t *testing.T) {
	for _, takeover := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			c := replicas(t, 2)
			c.Kill(1)
			client := clientkit.Connect(t, c, activePassive(), 1)
			c.Kill(0)
			time.Sleep(takeover)
			require.Empty(t, active(client))
			c.SetServing(1, "", true)
			c.Restart(1)
			time.Sleep(300 * time.Millisecond)
			assert.Equal(t, "server1", active(client), "after a takeover of %v", takeover)
		})
	}
}
