package faulttest

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

var (
	seed  = flag.Uint64("seed", 0, "the seed of the random faults (default: chosen at random)")
	lasts = flag.Duration("lasts", 0, "how long they are made, in fake time (default: 7s)")
)

func TestNoCallIsLostOrMadeTwiceUnderRandomFaults(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	if *lasts == 0 {
		*lasts = testkit.Size(20*time.Second, 7*time.Second, 3*time.Second)
	}
	t.Logf("to see these faults again: -seed %d", *seed)
	servers := map[string][]lbtest.Option{
		"with connections that age": {lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 300 * time.Millisecond, MaxConnectionAgeGrace: 5 * time.Second,
		}))},
	}
	for name, change := range map[string]func(*cantonlb.Config){
		"as shipped":                nil,
		"with connections that age": nil,
		"with Checks alone":         func(c *cantonlb.Config) { c.HealthCheck.NoWatch = true },
		"with Checks now and then":  func(c *cantonlb.Config) { c.HealthCheck.Interval = 10 * time.Second },
		"with hedges":               func(c *cantonlb.Config) { c.Hedge = &cantonlb.Hedge{} },
		"with early hedges, least loaded": func(c *cantonlb.Config) {
			c.Policy, c.Hedge = cantonlb.HealthyLeastLoaded, &cantonlb.Hedge{Delay: time.Millisecond}
			c.RetryBudget = cantonlb.RetryBudget{Share: 1, PerSecond: 1000}
		},
		"with retries of grpc's": func(c *cantonlb.Config) {
			c.ServiceConfig = `{"methodConfig":[{"name":[{"service":"faulttest.Ledger","method":"Read"}],"retryPolicy":{"maxAttempts":3,
				"initialBackoff":"0.01s","maxBackoff":"0.1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && change != nil {
				t.Skip("one of several configurations: left out with -short")
			}
			synctest.Test(t, func(t *testing.T) {
				report, err := Run(t.Context(), newBench(t, setUp{change: change, servers: servers[name]}), Config{Seed: *seed, For: *lasts, Rest: 50 * time.Millisecond})
				require.NoError(t, err)
				t.Log(report)
				assert.Zero(t, report.Violated)
				for _, v := range report.Violations {
					t.Error(v)
				}
				assert.Positive(t, report.Writes.OK)
				assert.Positive(t, report.Follows.OK)
				// Each read on such a server arrives and is not answered. What arrives at
				// others before their fault begins may all have been answered by then.
				if f := report.Faults; f[Failing]+f[Passive] > 0 {
					assert.Positive(t, report.Again, "faults have made calls be reissued")
				}
			})
		})
	}
}
