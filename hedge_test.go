package cantonlb_test

import (
	"context"
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
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

const ms = time.Millisecond

// hedging is a config with hedges after 20 ms.
func hedging() cantonlb.Config {
	return cantonlb.Config{Idempotent: echoIsIdempotent, Hedge: &cantonlb.Hedge{Delay: 20 * ms}}
}

// received is a result of a call with all that its options received.
type received struct {
	server, reply   string
	header, trailer metadata.MD
	endpoint        string
	finished        int
	took            time.Duration
	err             error
}

// callOnce makes a call with every option that receives something.
func callOnce(t *testing.T, cc grpc.ClientConnInterface, timeout time.Duration) received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var a received
	var p peer.Peer
	start := time.Now()
	reply := wrapperspb.String("what was there before")
	a.err = cc.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("hello"), reply,
		grpc.Header(&a.header), grpc.Trailer(&a.trailer), grpc.Peer(&p), grpc.OnFinish(func(error) { a.finished++ }))
	a.took, a.reply = time.Since(start), reply.GetValue()
	a.endpoint, _ = cantonlb.EndpointOf(&p)
	if names := a.header.Get(lbtest.ServerHeader); len(names) == 1 {
		a.server = names[0]
	}
	return a
}

// withTrailers makes servers send the trailer x.
func withTrailers() lbtest.Option {
	return lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x", "y"))
			return handle(ctx, req)
		}))
}

func TestACallThatTakesLongIsAnsweredByAnotherEndpoint(t *testing.T) {
	for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.HealthyLeastLoaded} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, withTrailers())
			cfg := hedging()
			cfg.Policy = policy
			client := clientkit.Connect(t, cluster, cfg, 2)
			cluster.SetLatency(0, time.Minute)
			for range 10 {
				a := callOnce(t, client, 10*time.Second)
				require.NoError(t, a.err)
				assert.Equal(t, "server1", a.server)
				assert.Equal(t, "server1", a.endpoint, "the peer is that of the answer")
				assert.Equal(t, "hello", a.reply)
				assert.Equal(t, []string{"y"}, a.trailer.Get("x"))
				assert.Equal(t, 1, a.finished)
				assert.LessOrEqual(t, a.took, 21*ms)
			}
			totals := client.Status().Totals
			assert.Positive(t, totals.Hedged)
			assert.Equal(t, totals.Hedged, totals.HedgesWon)
			assert.Zero(t, totals.Rescued+totals.Retried)
		})
	}
}

func TestTheFirstAttemptMayStillWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, hedging(), 2)
		cluster.SetLatency(0, 50*ms)
		cluster.SetLatency(1, 50*ms)
		for range 4 {
			a := callOnce(t, client, time.Second)
			require.NoError(t, a.err)
			assert.Equal(t, 50*ms, a.took)
			assert.Equal(t, a.server, a.endpoint)
		}
		totals := client.Status().Totals
		assert.EqualValues(t, 4, totals.Hedged)
		assert.Zero(t, totals.HedgesWon)
		for _, e := range client.Status().Endpoints {
			assert.Zero(t, e.Calls.Failed, "a hedge that lost is no evidence")
		}
	})
}

func TestOnlyIdempotentUnaryCallsAreHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.Idempotent = nil
		client := clientkit.Connect(t, cluster, cfg, 2)
		cluster.SetLatency(0, time.Second)
		cluster.SetLatency(1, time.Second)
		for range 4 {
			require.NoError(t, callOnce(t, client, 10*time.Second).err)
		}
		assert.Equal(t, 4, cluster.Calls(0)+cluster.Calls(1))
		assert.Zero(t, client.Status().Totals.Hedged)
	})
}

// The attempts of a call are at most MaxAttempts, and on different endpoints.
func TestAttemptsOfACallGoToDifferentEndpoints(t *testing.T) {
	for _, c := range []struct{ servers, max, want int }{{1, 3, 1}, {2, 3, 2}, {5, 0, 3}, {5, 1, 1}, {5, 2, 2}, {5, 5, 5}} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, c.servers, lbtest.RegisterEcho)
			cfg := hedging()
			cfg.MaxAttempts = c.max
			cfg.HealthCheck.Silence = time.Hour
			client := clientkit.Connect(t, cluster, cfg, c.servers)
			for i := range c.servers {
				cluster.SetLatency(i, time.Minute)
			}
			a := callOnce(t, client, 2*time.Second)
			assert.Equal(t, codes.DeadlineExceeded, status.Code(a.err), "%v", a.err)
			total := 0
			for i := range c.servers {
				assert.LessOrEqual(t, cluster.Calls(i), 1)
				total += cluster.Calls(i)
			}
			assert.Equal(t, c.want, total, "%+v", c)
			assert.EqualValues(t, c.want-1, client.Status().Totals.Hedged)
		})
	}
}

// A server that passes its probes and answers no call costs no idempotent call, and is
// ejected although its attempts are all canceled by this client.
func TestAServerThatAnswersNothingCostsNoCallAndIsEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, hedging(), 3)
		cluster.SetLatency(0, time.Hour)
		var wg sync.WaitGroup
		var slow atomic.Int64
		for range 600 {
			wg.Go(func() {
				a := callOnce(t, client, time.Second)
				assert.NoError(t, a.err)
				if a.took > 45*ms {
					slow.Add(1)
				}
			})
			time.Sleep(2 * ms)
		}
		wg.Wait()
		assert.Zero(t, slow.Load())
		server0, _ := client.Status().Endpoint("server0")
		assert.True(t, server0.Ejected, "%v", server0)
		assert.GreaterOrEqual(t, server0.Calls.Failed, uint64(5))
	})
}

// If all servers are slow, hedges must not multiply their load.
func TestHedgesUseHalfOfTheBudgetInAStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.RetryBudget = cantonlb.RetryBudget{Share: 0.1, PerSecond: -1}
		client := clientkit.Connect(t, cluster, cfg, 3)
		for i := range 3 {
			cluster.SetLatency(i, 200*ms)
		}
		var wg sync.WaitGroup
		const calls = 2000
		for range calls {
			wg.Go(func() { assert.NoError(t, callOnce(t, client, 2*time.Second).err) })
			time.Sleep(2 * ms)
		}
		wg.Wait()
		sent := 0
		for i := range 3 {
			sent += cluster.Calls(i)
		}
		assert.LessOrEqual(t, sent-calls, calls/20)
		assert.Positive(t, sent-calls)
		totals := client.Status().Totals
		assert.Positive(t, totals.HedgesRefused)
		assert.EqualValues(t, sent-calls, totals.Hedged)
	})
}

func TestTheDelayIsLearnedFromTheMethodsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.Hedge = &cantonlb.Hedge{}
		client := clientkit.Connect(t, cluster, cfg, 3)
		for i := range 3 {
			cluster.SetLatency(i, 20*ms)
		}
		for range 100 {
			assert.NoError(t, callOnce(t, client, time.Second).err)
		}
		assert.Zero(t, client.Status().Totals.Hedged)
		cluster.SetLatency(2, 400*ms)
		for range 30 {
			a := callOnce(t, client, time.Second)
			require.NoError(t, a.err)
			assert.InDelta(t, 20*ms, a.took, float64(35*ms), "1.5 x 20 ms, and 20 ms")
		}
		assert.Positive(t, client.Status().Totals.HedgesWon)
	})
}

func TestAFailedAttemptWaitsForTheHedgeThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, hedging(), 2)
		cluster.SetLatency(0, 100*ms)
		cluster.SetLatency(1, 100*ms)
		for i := range 2 {
			first := -1
			calls := [2]int{cluster.Calls(0), cluster.Calls(1)}
			done := make(chan received, 1)
			go func() { done <- callOnce(t, client, time.Second) }()
			synctest.Wait()
			for j := range 2 {
				if cluster.Calls(j) > calls[j] {
					first = j
				}
			}
			require.NotEqual(t, -1, first)
			time.Sleep(30 * ms) // the hedge is under way
			cluster.Disconnect(first)
			a := <-done
			require.NoError(t, a.err, i)
			assert.Equal(t, fmt.Sprint("server", 1-first), a.server)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
		}
		assert.Zero(t, client.Status().Totals.Retried)
	})
}

// An error that is about the request is an answer, whichever attempt it is of. One that
// is about the server is not, while another attempt is under way.
func TestTheFirstAnswerCountsWhetherOrNotItIsAnError(t *testing.T) {
	for code, slow := range map[codes.Code]bool{codes.NotFound: false, codes.Internal: true, codes.Unavailable: true} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, hedging(), 2)
			for {
				cluster.SetLatency(0, 100*ms)
				cluster.FailCalls(1, code, "on purpose")
				a := callOnce(t, client, time.Second)
				if a.took < 20*ms {
					continue // it went to the other server first
				}
				if slow {
					require.NoError(t, a.err, code)
					assert.Equal(t, 100*ms, a.took, code)
				} else {
					require.Equal(t, code, status.Code(a.err))
					var attempts *cantonlb.AttemptsError
					require.ErrorAs(t, a.err, &attempts)
					assert.Equal(t, "server0", attempts.Attempts[0].Endpoint)
					assert.Equal(t, "server1", attempts.Attempts[1].Endpoint)
				}
				return
			}
		})
	}
}

func TestHedgesHeedThePushBackOfServers(t *testing.T) {
	for value, want := range map[string]int{"-1": 1, "500": 2} {
		synctest.Test(t, func(t *testing.T) {
			var failed atomic.Bool
			pushing := lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
				func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
					if info.FullMethod != lbtest.EchoMethod || failed.Swap(true) {
						return handle(ctx, req)
					}
					_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", value))
					return nil, status.Error(codes.Unavailable, "too busy")
				}))
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, pushing)
			cfg := hedging()
			cfg.MaxAttempts = 2
			client := clientkit.Connect(t, cluster, cfg, 3)
			a := callOnce(t, client, 2*time.Second)
			sent := cluster.Calls(0) + cluster.Calls(1) + cluster.Calls(2)
			assert.Equal(t, want, sent, "%v", a.err)
			if want == 2 {
				require.NoError(t, a.err)
				assert.GreaterOrEqual(t, a.took, 500*ms)
			}
			assert.Zero(t, client.Status().Totals.Hedged)
		})
	}
}

func TestActivePassiveNeverHedgesToAStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.Policy = cantonlb.ActivePassive
		client := clientkit.Connect(t, cluster, cfg, 2)
		cluster.SetLatency(0, 200*ms)
		cluster.SetLatency(1, 200*ms)
		for range 5 {
			require.NoError(t, callOnce(t, client, time.Second).err)
		}
		assert.Zero(t, cluster.Calls(1))
		assert.Contains(t, client.Status().Notes, "hedge has no effect with active_passive: a standby gets no calls")
	})
}

// text is a reply that is no proto message.
type text struct{}

func TestRepliesThatAreNoProtoMessagesAreNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, hedging(), 2)
		cluster.SetLatency(0, 200*ms)
		cluster.SetLatency(1, 200*ms)
		ctx := testkit.Context(t)
		err := client.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("x"), new(text))
		require.Error(t, err, "grpc's codec cannot decode it either")
		assert.Equal(t, 1, cluster.Calls(0)+cluster.Calls(1))
		assert.Contains(t, client.Status().Notes,
			"calls of "+lbtest.EchoMethod+" are not hedged: a reply of type *cantonlb_test.text is no proto message")
	})
}

// deaf are credentials that do not heed their context.
type deaf struct{ release chan struct{} }

func (s deaf) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	<-s.release
	return map[string]string{}, nil
}

func (deaf) RequireTransportSecurity() bool { return false }

func TestCredentialsThatHangDelayNoCallThatIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := hedging()
		cfg.Endpoints = clientkit.Endpoints(cluster)
		release := make(chan struct{})
		defer close(release)
		cfg.Endpoints[0].Credentials = deaf{release}
		cfg.Endpoints[0].AllowInsecureTokens = true
		cfg.HealthCheck.Disabled = true // probes carry the token, too
		client := clientkit.Connect(t, cluster, cfg, 2)
		for range 4 {
			a := callOnce(t, client, time.Second)
			require.NoError(t, a.err)
			assert.Equal(t, "server1", a.server)
			assert.LessOrEqual(t, a.took, 21*ms)
		}
		assert.Positive(t, client.Status().Totals.HedgesWon)
	})
}

func TestObserversSeeHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cfg := hedging()
		var mu sync.Mutex
		var seen []string
		cfg.OnAttempt = func(_ context.Context, e cantonlb.AttemptEvent) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(e.Kind, " ", e.Number, " ", e.Hedge, " ", e.Code))
		}
		client := clientkit.Connect(t, cluster, cfg, 2)
		cluster.SetLatency(0, time.Minute)
		for a := callOnce(t, client, time.Second); a.took < 20*ms; a = callOnce(t, client, time.Second) {
			seen = nil
		}
		assert.Equal(t, []string{
			"started 1 false OK", "started 2 true OK", "ended 2 true OK", "ended 1 false Canceled",
		}, seen)
	})
}

// The caller may change the request and read the reply as soon as the call has
// returned, and no goroutine is left.
func TestNothingOfACallGoesOnAfterIt(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	cfg := hedging()
	cfg.Hedge.Delay = ms
	cfg.RetryBudget = cantonlb.RetryBudget{Share: 1, PerSecond: 1e6}
	client := clientkit.Connect(t, cluster, cfg, 3)
	for i, latency := range []time.Duration{5 * ms, 2 * ms, ms} {
		cluster.SetLatency(i, latency)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			request, reply := new(wrapperspb.StringValue), new(wrapperspb.StringValue)
			for i := range 100 {
				request.Value = fmt.Sprint(i)
				ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
				err := client.Invoke(ctx, lbtest.EchoMethod, request, reply)
				cancel()
				if !assert.NoError(t, err) || !assert.Equal(t, request.GetValue(), reply.GetValue()) {
					return
				}
				reply.Value = ""
			}
		})
	}
	wg.Wait()
	assert.Positive(t, client.Status().Totals.HedgesWon)
}

func TestTheSettingsOfHedgesAreChecked(t *testing.T) {
	list := []cantonlb.Endpoint{{Address: "http://127.0.0.1:1"}}
	for want, cfg := range map[string]cantonlb.Config{
		`hedge.delay "-1s": want a duration above zero; none for a measured delay`: {Hedge: &cantonlb.Hedge{Delay: -time.Second}},
		`hedge.delay "48h0m0s": want a duration of at most 24h0m0s`:                {Hedge: &cantonlb.Hedge{Delay: 48 * time.Hour}},
		`attemptTimeout "-1s": want a duration above zero; none for no timeout`:    {AttemptTimeout: -time.Second},
		`attemptTimeout "1s": want none, since hedge is set, or no hedge`:          {AttemptTimeout: time.Second, Hedge: &cantonlb.Hedge{}},
		`attemptTimeout "48h0m0s": want a duration of at most 24h0m0s`:             {AttemptTimeout: 48 * time.Hour},
	} {
		cfg.Endpoints = list
		require.EqualError(t, cfg.Check(), want)
	}
	for field, cfg := range map[string]cantonlb.Config{
		"hedge.delay": {Hedge: &cantonlb.Hedge{Delay: 20}}, "attemptTimeout": {AttemptTimeout: 20}, "streamDrain": {StreamDrain: 20},
	} {
		cfg.Endpoints = list
		require.EqualError(t, cfg.Check(), field+` "20ns": `+
			`want a duration of at least "1ms"; in Go, a number without a unit, such as 5 * time.Second has, is nanoseconds`)
	}
}
