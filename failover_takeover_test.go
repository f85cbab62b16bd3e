package cantonlb_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// Nodes serve their health on a separate port: a push from there takes effect too.
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

// The same with replicas that stay connected and answer NOT_SERVING while they are
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

func TestAnActiveThatFlapsCausesNoMoreSwitchesThanTheBound(t *testing.T) {
	for name, flapping := range map[string]int{"active": 0, "standby": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
				cfg := activePassive()
				cfg.Failover.FailBack = cantonlb.FailBackAfterHold
				client := clientkit.Connect(t, c, cfg, 2)
				stop := keepCalling(t.Context(), client, 20*time.Millisecond, 10*time.Second)
				for second := range testkit.Size(120, 60, 20) {
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

// However endpoints flap, a call made after the event of a switch is never sent to the
// endpoint that was active before.
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

func TestTheAnswerOfAPassiveReplicaHasAllEndpointsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := replicas(t, 2)
		cfg := activePassive()
		cfg.HealthCheck = healthcheck.Config{Interval: time.Hour, NoWatch: true}
		client := clientkit.Connect(t, c, cfg, 1)
		time.Sleep(time.Minute)
		c.SetServing(0, "", false) // no client notices, since there is no Watch
		c.SetServing(1, "", true)
		c.FailCalls(0, codes.Unavailable, "NODE_IS_PASSIVE_REPLICA(1,0a1b2c3d): not active")
		began := time.Now()
		name, err := lbtest.ServedBy(testkit.Context(t), client)
		require.NoError(t, err)
		assert.Equal(t, "server1", name)
		assert.LessOrEqual(t, time.Since(began), 300*time.Millisecond)
	})
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
