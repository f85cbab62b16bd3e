package cantonlb_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/cantonlb/cantonlb"
	_ "github.com/cantonlb/cantonlb/balancer"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// badLists are lists of two endpoints that cannot carry a call.
var badLists = []struct {
	name string
	list func(c *lbtest.Cluster) []string
}{
	{"down", func(c *lbtest.Cluster) []string { c.Kill(2); c.Kill(3); return c.Addrs()[2:4] }},
	{"hung", func(c *lbtest.Cluster) []string { c.Hang(2); c.Hang(3); return c.Addrs()[2:4] }},
	{"cut off", func(c *lbtest.Cluster) []string { c.Partition(2); c.Partition(3); return c.Addrs()[2:4] }},
	{"wrong port", func(*lbtest.Cluster) []string { return []string{"server2.lbtest:2", "server3.lbtest:2"} }},
	{"wrong name", func(*lbtest.Cluster) []string { return []string{"sever2.lbtest:1", "sever3.lbtest:1"} }},
	{"not serving", func(c *lbtest.Cluster) []string {
		c.SetServing(2, "", false)
		c.SetServing(3, "", false)
		return c.Addrs()[2:4]
	}},
	{"plaintext to TLS", func(c *lbtest.Cluster) []string { return c.Addrs()[4:] }},
}

// policies are the ways to a list that changes. replace returns a connection to the
// servers 0 and 1 once it serves, and the function that replaces its list.
var policies = []struct {
	name    string
	connect func(t *testing.T, c *lbtest.Cluster) (conn grpc.ClientConnInterface, replace func(addrs []string))
}{
	{"round robin", ofClient(cantonlb.HealthyRoundRobin)},
	{"active-passive", ofClient(cantonlb.ActivePassive)},
	{"plain channel", plainChannel(`{}`)},
}

func ofClient(policy cantonlb.Policy) func(*testing.T, *lbtest.Cluster) (grpc.ClientConnInterface, func([]string)) {
	return func(t *testing.T, c *lbtest.Cluster) (grpc.ClientConnInterface, func([]string)) {
		t.Helper()
		list := func(addrs []string) (list []cantonlb.Endpoint) {
			for _, a := range addrs {
				list = append(list, cantonlb.Endpoint{Name: a, Address: "http://" + a})
			}
			return list
		}
		client, err := cantonlb.NewClient(cantonlb.Config{Policy: policy, Endpoints: list(c.Addrs()[:2])}, c.DialOptions()...)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, client.Close()) })
		require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
		return client, func(addrs []string) { require.NoError(t, client.Update(list(addrs))) }
	}
}

// plainChannel is a channel of grpc with another resolver and this JSON of the policy.
func plainChannel(policy string) func(t *testing.T, c *lbtest.Cluster) (grpc.ClientConnInterface, func([]string)) {
	return func(t *testing.T, c *lbtest.Cluster) (grpc.ClientConnInterface, func([]string)) {
		t.Helper()
		state := func(addrs []string) (s grpcresolver.State) {
			for _, a := range addrs {
				s.Endpoints = append(s.Endpoints, grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: a}}})
			}
			return s
		}
		r := manual.NewBuilderWithScheme("other")
		r.InitialState(state(c.Addrs()[:2]))
		conn, err := grpc.NewClient("other:///servers", append(c.DialOptions(), grpc.WithResolvers(r), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"healthy_round_robin": `+policy+`}]}`))...)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
		conn.Connect()
		for s := conn.GetState(); s != connectivity.Ready; s = conn.GetState() {
			require.True(t, conn.WaitForStateChange(testkit.Context(t), s))
		}
		return conn, func(addrs []string) { r.UpdateState(state(addrs)) }
	}
}

// failures makes 300 calls, ten each second, and returns how many failed.
func failures(t *testing.T, conn grpc.ClientConnInterface) (failed int) {
	t.Helper()
	for range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		if _, err := lbtest.ServedBy(ctx, conn); err != nil {
			failed++
		}
		cancel()
		time.Sleep(100 * time.Millisecond)
	}
	return failed
}

func TestAListThatCannotCarryTheCallsCostsNone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	for _, bad := range badLists {
		for _, policy := range policies {
			t.Run(fmt.Sprintf("%s/%s", bad.name, policy.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := lbtest.NewCluster(t, 6, lbtest.RegisterEcho, lbtest.WithTLS(4, 5))
					conn, replace := policy.connect(t, cluster)
					replace(bad.list(cluster))
					assert.Zero(t, failures(t, conn), "of 300 calls")
				})
			})
		}
	}
}

func TestTheListTakesEffectAtOnceWhereThatIsAskedFor(t *testing.T) {
	down := badLists[0].list
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		conn, replace := plainChannel(`{"handover": "immediate"}`)(t, cluster)
		replace(down(cluster))
		assert.Equal(t, 300, failures(t, conn), "the policy's JSON says so")
	})
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		all := clientkit.Endpoints(cluster)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: all[:2]}, 2)
		require.NoError(t, client.WaitHandover(t.Context()))
		down(cluster)
		require.NoError(t, client.Update(all[2:]))
		require.Error(t, client.WaitHandover(testkit.Within(t, time.Minute)))
		require.NoError(t, client.UpdateNow(all[2:]))
		require.NoError(t, client.WaitHandover(t.Context()))
		assert.Empty(t, client.Status().Leaving)
		_, err := lbtest.ServedBy(t.Context(), client)
		require.Error(t, err)

		require.NoError(t, client.UpdateNow(all[1:2]))
		name, err := lbtest.ServedBy(t.Context(), client)
		require.NoError(t, err, "calls wait for the new endpoints")
		assert.Equal(t, "server1", name)
		require.Error(t, client.UpdateNow(nil))
		assert.Equal(t, 1, client.Status().Eligible())
		require.NoError(t, client.Close())
		require.Error(t, client.UpdateNow(all[1:2]))
		require.Error(t, client.WaitHandover(t.Context()))
	})
}

func TestCallsToARoleWithTakeoversWait(t *testing.T) {
	for _, role := range []cantonlb.Role{
		cantonlb.ParticipantLedger, cantonlb.ParticipantAdmin, cantonlb.Mediator, cantonlb.DomainManager, cantonlb.Generic, cantonlb.Sequencer,
	} {
		t.Run(string(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
				cluster.Kill(0)
				cfg := cantonlb.Config{Role: role, HealthCheck: cantonlb.HealthCheck{Disabled: true}}
				client := clientkit.Connect(t, cluster, cfg, 0)
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := lbtest.ServedBy(ctx, client)
				_ = noneEligible(t, err)
				waits := role != cantonlb.Generic && role != cantonlb.Sequencer
				assert.Equal(t, waits, ctx.Err() != nil)

				cfg.NoneEligible = cantonlb.FailFast
				_, err = lbtest.ServedBy(t.Context(), clientkit.Connect(t, cluster, cfg, 0))
				_ = noneEligible(t, err)
			})
		})
	}
}
