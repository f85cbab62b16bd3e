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
	"google.golang.org/grpc/stats"

	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// The first attempt fails, and its server asks for a pause. A hedge is under way on an
// endpoint that has become unhealthy meanwhile, and is answered during the pause, or not.
func TestAPauseThatAServerAsksForDelaysNoAnswerOfAHedge(t *testing.T) {
	for hedgeTakes, want := range map[time.Duration]time.Duration{700 * ms: time.Second, time.Hour: 5500 * ms} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho,
				attemptsEnd(ends{after: 500 * ms, code: codes.Unavailable, pause: "5000"}, ends{after: hedgeTakes}))
			cfg := hedging()
			cfg.Hedge.Delay = 300 * ms
			cfg.HealthCheck.Silence = time.Hour
			client := clientkit.Connect(t, cluster, cfg, 3)
			first, result := startCall(t, cluster, client, 20*time.Second)
			time.Sleep(350 * ms)
			for i := range 3 {
				if i != first && cluster.Calls(i) > 0 {
					cluster.SetServing(i, "", false)
				}
			}
			a := <-result
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
		cluster.SetLatency(0, 10*time.Minute)
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		answer := make(chan received)
		go func() { answer <- callOnce(t, client, time.Hour) }()
		time.Sleep(9 * time.Minute)
		assert.Less(t, looks.Load(), int64(50))
		assert.Less(t, heap()-before, int64(2<<20))
		require.NoError(t, (<-answer).err)
	})
}
