package cantonlb_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// The first attempt fails, and its server asks for a pause. A hedge is under way on an
// endpoint that has become unhealthy meanwhile, and is answered during the pause, or not.
func TestAPauseThatAServerAsksForDelaysNoAnswerOfAHedge(t *testing.T) {
	for hedgeTakes, want := range map[time.Duration]time.Duration{700 * ms: time.Second, time.Hour: 5500 * ms} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			serve := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
				if info.FullMethod != lbtest.EchoMethod {
					return handle(ctx, req)
				}
				switch calls.Add(1) {
				case 1:
					time.Sleep(500 * ms)
					_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "5000"))
					return nil, status.Error(codes.Unavailable, "not now")
				case 2:
					select {
					case <-time.After(hedgeTakes):
					case <-ctx.Done():
					}
				}
				return handle(ctx, req)
			}
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(serve)))
			cfg := hedging()
			cfg.Hedge.Delay = 300 * ms
			cfg.HealthCheck.Silence = time.Hour
			client := clientkit.Connect(t, cluster, cfg, 3)
			answer := make(chan received)
			go func() { answer <- callOnce(t, client, 20*time.Second) }()
			time.Sleep(350 * ms)
			hedge := 0
			for i := range 3 {
				if cluster.Calls(i) > 0 && cluster.LastCallAt(i).After(cluster.LastCallAt(hedge)) {
					hedge = i
				}
			}
			cluster.SetServing(hedge, "", false)
			a := <-answer
			require.NoError(t, a.err)
			assert.Equal(t, want, a.took)
			if totals := client.Status().Totals; want == time.Second {
				assert.EqualValues(t, 1, totals.Hedged, "%+v", totals)
				assert.Zero(t, totals.Retried, "%+v", totals)
			}
		})
	}
}

// begun counts the calls that stats handlers see.
type begun struct{ *atomic.Int64 }

func (b begun) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	if i.FullMethodName == lbtest.EchoMethod {
		b.Add(1)
	}
	return ctx
}
func (begun) HandleRPC(context.Context, stats.RPCStats)                         {}
func (begun) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (begun) HandleConn(context.Context, stats.ConnStats)                       {}

// A hedge without an endpoint to go to costs something: calls that last do not look for
// one all the time, and keep nothing of those that they did not find.
func TestALongCallWithoutAnEndpointForAHedgeSeldomLooksForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		looks := begun{new(atomic.Int64)}
		client := clientkit.Connect(t, cluster, hedging(), 1, grpc.WithStatsHandler(looks))
		cluster.SetLatency(0, time.Hour)
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		answer := make(chan received)
		go func() { answer <- callOnce(t, client, 2*time.Hour) }()
		time.Sleep(50 * time.Minute)
		assert.Less(t, looks.Load(), int64(50))
		assert.Less(t, heap()-before, int64(5<<20))
		require.NoError(t, (<-answer).err)
	})
}
