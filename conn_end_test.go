package cantonlb_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
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

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestAServerWhoseConnectionsAreBriefIsHealthySoonAfterItServes(t *testing.T) {
	for _, withoutWatch := range []bool{false, true} {
		t.Run(fmt.Sprintf("without Watch: %v", withoutWatch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
					MaxConnectionAge: 30 * time.Millisecond, MaxConnectionAgeGrace: time.Millisecond,
				})))
				cluster.SetHealthLatency(0, 10*time.Millisecond) // so that probes meet the ends of connections
				client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: cantonlb.HealthCheck{NoWatch: withoutWatch}}, 1)
				for range 100 {
					time.Sleep(100 * time.Millisecond)
					assert.NotEqual(t, cantonlb.StateUnhealthy, endpoint(client.Status(), "server0").State)
				}
				assert.Less(t, cluster.TotalConns(0), 10*20, "connections in ten seconds")

				cluster.SetServing(0, "", false)
				clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server0").State == cantonlb.StateUnhealthy })
				cluster.SetServing(0, "", true)
				start := time.Now()
				clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server0").State == cantonlb.StateHealthy })
				assert.Less(t, time.Since(start), 5*time.Second)
			})
		})
	}
}

// A machine that is too busy to answer a probe within the age of a connection is no
// reason to fail calls at once, but calls do not wait for ever.
func TestConnectionsThatAgeBeforeTheirProbeIsAnsweredFailNoCall(t *testing.T) {
	for name, c := range map[string]struct {
		busy time.Duration
		want codes.Code
	}{
		"busy for a moment": {500 * time.Millisecond, codes.OK},
		"busy for long":     {time.Minute, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
					MaxConnectionAge: 200 * time.Millisecond, MaxConnectionAgeGrace: 10 * time.Millisecond,
				})))
				client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: cantonlb.HealthCheck{NoWatch: true}}, 1)
				cluster.SetHealthLatency(0, time.Hour)
				time.AfterFunc(c.busy, func() { cluster.SetHealthLatency(0, 0) })
				start := time.Now()
				var err error
				for err == nil && time.Since(start) < 10*time.Second {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					_, err = lbtest.ServedBy(ctx, client)
					cancel()
					time.Sleep(20 * time.Millisecond)
				}
				assert.Equal(t, c.want, status.Code(err), "after %v: %v", time.Since(start), err)
			})
		})
	}
}

// The probes of a connection rely on this.
func TestTheEndOfAConnectionIsKnownOnceAStreamOnItFails(t *testing.T) {
	for name, end := range map[string]func(*lbtest.Cluster){
		"killed": func(c *lbtest.Cluster) { c.Kill(0) },
		"by age": func(*lbtest.Cluster) {},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
				MaxConnectionAge: 200 * time.Millisecond, MaxConnectionAgeGrace: 10 * time.Millisecond,
			})))
			conns := make(chan grpc.ClientConnInterface, 100)
			var tokens atomic.Int32
			clientkit.Connect(t, cluster, cantonlb.Config{
				HealthCheck: cantonlb.HealthCheck{Disabled: true},
				Validate: func(_ context.Context, cc grpc.ClientConnInterface, _ cantonlb.Endpoint) cantonlb.Validation {
					conns <- cc
					return cantonlb.Validation{Result: cantonlb.ValidationOK}
				},
			}, 1, grpc.WithPerRPCCredentials(countingToken{&tokens}))
			conn := testkit.Receive(t, conns)
			stream, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
			before := tokens.Load()
			assert.False(t, transport.Ended(conn))
			assert.Equal(t, before, tokens.Load(), "no credentials are asked")
			end(cluster)
			_, err = stream.Recv()
			require.Error(t, err)
			assert.True(t, transport.Ended(conn), "%v", err)
		})
	}
}

// countingToken are credentials without a token, which count how often they are asked.
type countingToken struct{ asked *atomic.Int32 }

func (c countingToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	c.asked.Add(1)
	return nil, nil
}

func (countingToken) RequireTransportSecurity() bool { return false }

// One of the two cancels what grpc delivers to the policy, before the other has
// closed the policy.
func TestAPlainChannelThatIsClosedTwiceAtOnceLeavesNothingBehind(t *testing.T) {
	for _, policy := range []string{"healthy_round_robin", "active_passive"} {
		t.Run(policy, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			cluster.Kill(1)
			for range 50 {
				cc, err := grpc.NewClient(cluster.Target(), append(cluster.DialOptions(),
					grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"`+policy+`":{}}]}`))...)
				require.NoError(t, err)
				_, err = lbtest.ServedBy(testkit.Context(t), cc, grpc.WaitForReady(true))
				require.NoError(t, err)
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() { _ = cc.Close() })
				}
				both.Wait()
			}
			assert.Eventually(t, func() bool {
				all := make([]byte, 1<<20)
				return !strings.Contains(string(all[:runtime.Stack(all, true)]), "/internal/endpointset.")
			}, testkit.Patience, 10*time.Millisecond)
		})
	}
}
