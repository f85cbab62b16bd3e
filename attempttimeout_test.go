package cantonlb_test

import (
	"context"
	"sync"
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
)

func limited() cantonlb.Config {
	return cantonlb.Config{Idempotent: echoIsIdempotent, AttemptTimeout: 50 * ms}
}

func TestAnAttemptThatTakesTooLongIsReissuedOnAnotherEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := limited()
		var mu sync.Mutex
		var canceled int
		cfg.OnAttempt = func(_ context.Context, e cantonlb.AttemptEvent) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == cantonlb.AttemptEnded && e.Code == codes.Canceled {
				canceled++
			}
		}
		client := clientkit.Connect(t, cluster, cfg, 2)
		cluster.SetLatency(0, time.Minute)
		for range 10 {
			a := callOnce(t, client, time.Second)
			require.NoError(t, a.err)
			assert.Equal(t, "server1", a.server)
			assert.LessOrEqual(t, a.took, 51*ms)
		}
		assert.Positive(t, canceled)
		server0, _ := client.Status().Endpoint("server0")
		assert.Positive(t, server0.Calls.Failed, "that is evidence")
		assert.EqualValues(t, canceled, client.Status().Totals.Retried)
	})
}

// An attempt after which there is none is not canceled: it may still be answered.
func TestTheLastAttemptMayTakeUntilTheDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*cantonlb.Config)
		want   int
	}{
		"all attempts are made":  {func(c *cantonlb.Config) { c.MaxAttempts = 2 }, 2},
		"the budget is spent":    {func(c *cantonlb.Config) { c.RetryBudget = cantonlb.RetryBudget{Share: -1, PerSecond: -1} }, 1},
		"it is not idempotent":   {func(c *cantonlb.Config) { c.Idempotent = nil }, 1},
		"a deadline comes first": {func(c *cantonlb.Config) { c.AttemptTimeout = time.Minute }, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
			cfg := limited()
			c.change(&cfg)
			client := clientkit.Connect(t, cluster, cfg, 3)
			for i := range 3 {
				cluster.SetLatency(i, 200*ms)
			}
			require.NoError(t, callOnce(t, client, time.Second).err, name)
			assert.Equal(t, c.want, cluster.Calls(0)+cluster.Calls(1)+cluster.Calls(2), name)
		})
	}
}

// Nor is an attempt for which there is no other endpoint: the same one would be asked
// again and again, and would answer none of them.
func TestAnAttemptOnTheOnlyEndpointMayTakeUntilTheDeadline(t *testing.T) {
	for name, change := range map[string]func(*cantonlb.Config, *lbtest.Cluster){
		"the other is not eligible": func(_ *cantonlb.Config, c *lbtest.Cluster) { c.SetServing(1, "", false) },
		"the other is a standby":    func(c *cantonlb.Config, _ *lbtest.Cluster) { c.Policy = cantonlb.ActivePassive },
		"the other has been tried":  func(c *cantonlb.Config, _ *lbtest.Cluster) { c.MaxAttempts = 10 },
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			cfg := limited()
			change(&cfg, cluster)
			client := clientkit.Connect(t, cluster, cfg, 1)
			cluster.SetLatency(0, 200*ms)
			cluster.SetLatency(1, 200*ms)
			require.NoError(t, callOnce(t, client, 260*ms).err, name)
			assert.LessOrEqual(t, cluster.Calls(0), 1, name)
			assert.LessOrEqual(t, cluster.Calls(1), 1, name)
		})
	}
}

func TestACallThatWaitsForAnEndpointDoesNotTimeOutBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := limited()
		cfg.NoneEligible = cantonlb.Wait
		cluster.SetServing(0, "", false)
		cluster.SetServing(1, "", false)
		client := clientkit.Connect(t, cluster, cfg, 0)
		time.AfterFunc(2*time.Second, func() { cluster.SetServing(1, "", true) })
		a := callOnce(t, client, 10*time.Second)
		require.NoError(t, a.err)
		assert.Equal(t, 1, cluster.Calls(1))
		cluster.SetLatency(1, time.Minute)
		a = callOnce(t, client, time.Second)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(a.err), "there is no other endpoint")
	})
}
