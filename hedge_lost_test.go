package cantonlb_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// ends is how a server ends an attempt: after a time, with a code. pause is the number of
// milliseconds that it asks for before the next one, if not empty.
type ends struct {
	after time.Duration
	code  codes.Code
	pause string
}

const never = time.Hour

// attemptsEnd makes the attempts that arrive at a cluster end one after the other as
// given, whichever server they go to; further ones are answered at once.
func attemptsEnd(script ...ends) lbtest.Option {
	var n atomic.Int64
	return lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if info.FullMethod != lbtest.EchoMethod {
				return handle(ctx, req)
			}
			i := int(n.Add(1)) - 1
			if i >= len(script) {
				return handle(ctx, req)
			}
			select {
			case <-ctx.Done():
				return nil, status.FromContextError(ctx.Err()).Err()
			case <-time.After(script[i].after):
			}
			if p := script[i].pause; p != "" {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", p))
			}
			if c := script[i].code; c != codes.OK {
				return nil, status.Error(c, "NODE_IS_PASSIVE_REPLICA(1,0): passive")
			}
			return handle(ctx, req)
		}))
}

// startCall makes a call, and returns the server that has its first attempt.
func startCall(t *testing.T, cluster *lbtest.Cluster, client *cantonlb.Client, timeout time.Duration) (first int, result <-chan received) {
	t.Helper()
	done := make(chan received, 1)
	go func() { done <- callOnce(t, client, timeout) }()
	synctest.Wait()
	for i := range cluster.Len() {
		if cluster.Calls(i) == 1 {
			return i, done
		}
	}
	t.Fatal("the call has not arrived")
	return 0, nil
}

// All attempts are made. Two of them are on servers that stop serving meanwhile and will
// answer; the other one fails.
func TestHedgesOnEndpointsThatBecomeUnhealthyMayStillAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho,
			attemptsEnd(ends{after: 200 * ms, code: codes.Unavailable}, ends{after: 400 * ms}, ends{after: 500 * ms}))
		client := clientkit.Connect(t, cluster, hedging(), 3)
		first, result := startCall(t, cluster, client, 5*time.Second)
		time.Sleep(100 * ms)
		for i := range 3 {
			if i != first {
				cluster.SetServing(i, "", false)
			}
		}
		a := <-result
		require.NoError(t, a.err)
		assert.Equal(t, 420*ms, a.took)
		assert.Equal(t, 3, cluster.Calls(0)+cluster.Calls(1)+cluster.Calls(2))
	})
}

// The hedges have no budget left, and the one that is under way is never answered.
func TestACallThatFailsBesideAHedgeIsReissuedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho,
			attemptsEnd(ends{after: 30 * ms, code: codes.Unavailable}, ends{after: never}, ends{after: 5 * ms, code: codes.Unavailable}))
		cfg := hedging()
		cfg.MaxAttempts = 4
		cfg.RetryBudget = cantonlb.RetryBudget{Share: -1, PerSecond: 0.3} // three in ten seconds, of which one is a hedge
		client := clientkit.Connect(t, cluster, cfg, 4)
		a := callOnce(t, client, 5*time.Second)
		require.NoError(t, a.err)
		assert.Equal(t, 35*ms, a.took)
		totals := client.Status().Totals
		assert.EqualValues(t, 1, totals.Hedged)
		assert.Zero(t, totals.HedgesWon)
		assert.EqualValues(t, 2, totals.Retried)
	})
}

// There is no third endpoint, and that of the hedge hangs. The call waits for the hedge
// until its endpoint is unhealthy.
func TestACallDoesNotWaitForAHedgeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, attemptsEnd(ends{after: 100 * ms, code: codes.Unavailable}))
		client := clientkit.Connect(t, cluster, hedging(), 2)
		first, result := startCall(t, cluster, client, 10*time.Second)
		cluster.Hang(1 - first)
		a := <-result
		cluster.Resume(1 - first)
		require.NoError(t, a.err)
		assert.Equal(t, cluster.Names()[first], a.server)
		assert.LessOrEqual(t, a.took, 2*time.Second)
	})
}

// A server that asks for a pause gets one, also if the other attempts fail meanwhile.
func TestAPauseThatAServerAsksForHoldsBesideHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho,
			attemptsEnd(ends{after: 30 * ms, code: codes.Unavailable, pause: "500"}, ends{after: 100 * ms, code: codes.Unavailable}))
		client := clientkit.Connect(t, cluster, hedging(), 4)
		a := callOnce(t, client, 5*time.Second)
		require.NoError(t, a.err)
		assert.Equal(t, 530*ms, a.took, "from the answer on, not from the end of the last attempt")
	})
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho,
			attemptsEnd(ends{after: 50 * ms, code: codes.Unavailable}, ends{after: 10 * ms, code: codes.Unavailable, pause: "500"}))
		client := clientkit.Connect(t, cluster, hedging(), 4)
		a := callOnce(t, client, 5*time.Second)
		require.NoError(t, a.err)
		assert.Equal(t, 530*ms, a.took, "the server of the hedge has asked for it")
	})
}

// calledOffAfter makes a call whose first attempt is called off after a time, since its
// endpoint becomes unhealthy.
func calledOffAfter(t *testing.T, d time.Duration, cluster *lbtest.Cluster, client *cantonlb.Client) received {
	t.Helper()
	first, result := startCall(t, cluster, client, 5*time.Second)
	time.Sleep(d)
	cluster.SetServing(first, "", false)
	return <-result
}

// The budget has one hedge and one retry. The endpoint of the first attempt becomes
// unhealthy, and the hedge is never answered.
func TestACallThatIsCalledOffBesideAHedgeIsChargedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho, attemptsEnd(ends{after: never}, ends{after: never}))
		cfg := hedging()
		cfg.RetryBudget = cantonlb.RetryBudget{Share: -1, PerSecond: 0.2}
		client := clientkit.Connect(t, cluster, cfg, 4)
		a := calledOffAfter(t, 30*ms, cluster, client)
		require.NoError(t, a.err)
		assert.Equal(t, 30*ms, a.took)
		assert.Zero(t, client.Status().Totals.RetriesRefused)
	})
}

// The attempt in place of the one that was called off fails, and the budget has no other.
func TestACallThatIsLostBesideAHedgeHasTheErrorOfItsLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho, attemptsEnd(
			ends{after: never}, ends{after: 100 * ms, code: codes.Unavailable}, ends{after: 10 * ms, code: codes.Unavailable}))
		cfg := hedging()
		cfg.MaxAttempts = 4
		cfg.RetryBudget = cantonlb.RetryBudget{Share: -1, PerSecond: 0.2}
		client := clientkit.Connect(t, cluster, cfg, 4)
		a := calledOffAfter(t, 30*ms, cluster, client)
		assert.Equal(t, codes.Unavailable, status.Code(a.err), "%v", a.err)
		assert.ErrorContains(t, a.err, "NODE_IS_PASSIVE_REPLICA")
		assert.Equal(t, 120*ms, a.took)
	})
}

// A call that hangs in the credentials of an endpoint when that becomes unhealthy was not
// canceled by its caller.
func TestACallWhoseCredentialsHangDoesNotEndCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		release := make(chan struct{})
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2)
		done := make(chan error, 2)
		for range 2 {
			go func() {
				done <- client.Invoke(testkit.Context(t), lbtest.EchoMethod, wrapperspb.String("x"), new(wrapperspb.StringValue),
					grpc.PerRPCCredentials(deaf{release}))
			}()
		}
		synctest.Wait()
		cluster.SetServing(0, "", false)
		err := <-done
		assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		close(release)
		require.NoError(t, <-done)
	})
}

// The credentials of one endpoint fail with a code that a server may answer with. The
// other one answers the call, before or after that.
func TestAHedgeThatFailsInThisProcessDoesNotWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.Endpoints = clientkit.Endpoints(cluster)
		cfg.Endpoints[0].Credentials = failing{status.Error(codes.PermissionDenied, "no token")}
		cfg.Endpoints[0].AllowInsecureTokens = true
		cfg.HealthCheck.Disabled = true // probes carry the token, too
		client := clientkit.Connect(t, cluster, cfg, 2)
		cluster.SetLatency(1, 100*ms)
		answered := 0
		for range 6 { // three of them have their first attempt on the other endpoint
			a := callOnce(t, client, time.Second)
			if a.err == nil {
				assert.Equal(t, "server1", a.server)
				answered++
			}
		}
		assert.Equal(t, 3, answered)
		for _, e := range client.Status().Endpoints {
			assert.Zero(t, e.Calls.Failed, e.Name)
		}
	})
}

// panicking is a codec that panics, or ends its goroutine, at the first reply.
type panicking struct {
	encoding.CodecV2

	once *sync.Once
	how  func()
}

func (p panicking) Unmarshal(data mem.BufferSlice, v any) error {
	p.once.Do(p.how)
	return p.CodecV2.Unmarshal(data, v)
}

func TestAPanicInAHedgeEndsTheHedge(t *testing.T) {
	for _, how := range []func(){func() { panic("a codec's") }, runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, attemptsEnd(ends{after: 100 * ms}))
			client := clientkit.Connect(t, cluster, hedging(), 2)
			reply := new(wrapperspb.StringValue)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := client.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("x"), reply,
				grpc.ForceCodecV2(panicking{encoding.GetCodecV2("proto"), new(sync.Once), how}))
			require.NoError(t, err)
			assert.Equal(t, "x", reply.GetValue(), "of the first attempt")
		})
	}
}
