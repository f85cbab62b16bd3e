package cantonlb_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

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
			assert.Equal(t, report.ReasonNotServing, s.Lost)

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
		for _, i := range []int{0, 2, 1} { // the active endpoint last
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
		time.Sleep(10 * time.Minute)
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
		`policy "fastest": want "healthy_round_robin" or "healthy_least_loaded" or "active_passive"`:               {Policy: "fastest"},
		"failover: set, but the policy healthy_round_robin does not use it; want the policy active_passive":        {Failover: hold},
		"slowStart: set, but the policy healthy_round_robin does not use it; want the policy healthy_least_loaded": {SlowStart: time.Second},
		"slowStart: set, but the policy active_passive does not use it; want the policy healthy_least_loaded":      {Policy: cantonlb.ActivePassive, SlowStart: time.Second},
		`slowStart "-1s": want a duration above zero, such as "1s"`:                                                {Policy: cantonlb.HealthyLeastLoaded, SlowStart: -time.Second},
		"zone: set, but the policy active_passive does not use it; want the policy healthy_round_robin":            {Policy: cantonlb.ActivePassive, Zone: "eu"},
		`failover.failBack "sometimes": want "never" or "afterHold"`:                                               {Role: cantonlb.ParticipantLedger, Failover: cantonlb.Failover{FailBack: "sometimes"}},
		`failover.holdDown "-1s": want a duration above zero, such as "1s"`:                                        {Policy: cantonlb.ActivePassive, Failover: cantonlb.Failover{HoldDown: -time.Second}},
		`failover.drain "48h0m0s": want a duration of at most 24h0m0s`:                                             {Policy: cantonlb.ActivePassive, Failover: cantonlb.Failover{Drain: 48 * time.Hour}},
		`endpoints[0].priority -1: out of range; want a whole number from 0 to 1000`:                               {Endpoints: []cantonlb.Endpoint{{Address: "http://a:1", Priority: -1}}},
	} {
		if cfg.Endpoints == nil {
			cfg.Endpoints = list
		}
		_, err := cantonlb.NewClient(cfg)
		assert.EqualError(t, err, "cantonlb: "+want)
	}
}
