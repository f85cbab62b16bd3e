package cantonlb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

var echoIsIdempotent = []string{"/lbtest.Echo/*"}

func TestIdempotentCallsInFlightOnAnEndpointThatHangsAreAnsweredByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 3)
		cluster.Hang(0)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				who, err := lbtest.ServedBy(ctx, client)
				assert.NoError(t, err)
				assert.NotEqual(t, "server0", who)
			})
		}
		wg.Wait()
	})
}

func TestOtherCallsInFlightOnAnEndpointThatHangsAreLeftAloneAndAnsweredIfItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		cluster.Hang(0)
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				who, err := lbtest.ServedBy(ctx, client)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				seen[who]++
			})
		}
		time.Sleep(2500 * time.Millisecond)
		assert.Equal(t, 1, client.Status().Eligible())
		cluster.Resume(0)
		wg.Wait()
		assert.Equal(t, map[string]int{"server0": 5, "server1": 5}, seen)
		assert.Equal(t, 5, cluster.Calls(0))
		assert.Equal(t, 5, cluster.Calls(1))
	})
}

func TestWithNobodyElseEligibleACallIsLeftAloneUntilSomebodyIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cluster.SetServing(1, "", false)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 1)
		cluster.Hang(0)
		type answer struct {
			who string
			err error
		}
		got := make(chan answer, 1)
		go func() {
			who, err := lbtest.ServedBy(testkit.Context(t), client)
			got <- answer{who, err}
		}()
		time.Sleep(2500 * time.Millisecond) // found to hang, and the connection not yet closed as dead
		assert.Empty(t, got, "it still waits for the only server that there was")
		cluster.SetServing(1, "", true)
		assert.Equal(t, answer{who: "server1"}, <-got)
	})
}

func TestAnIdempotentCallThatFailsUnavailableIsTriedOnEachOtherEndpointOnce(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	cluster.FailCalls(1, codes.Unavailable, "nor here")
	client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 3)
	for range 6 {
		var p peer.Peer
		finished := 0
		_, err := lbtest.Echo(testkit.Context(t), client, "hello", grpc.Peer(&p), grpc.OnFinish(func(err error) {
			assert.NoError(t, err)
			finished++
		}))
		assert.NoError(t, err)
		assert.Equal(t, 1, finished)
	}
	assert.Equal(t, 6, cluster.Calls(2))
}

func TestACallThatHasHadItsAttemptsKeepsItsErrorAndNamesThem(t *testing.T) {
	cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
	for i := range 4 {
		cluster.FailCalls(i, codes.Unavailable, "not now")
	}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 4)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	var attempts *cantonlb.AttemptsError
	require.ErrorAs(t, err, &attempts)
	assert.Len(t, attempts.Attempts, 3)
	names := map[string]bool{}
	for _, a := range attempts.Attempts {
		assert.Equal(t, codes.Unavailable, a.Code)
		names[a.Endpoint] = true
	}
	assert.Len(t, names, 3, "each another endpoint")
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.Equal(t, "not now", status.Convert(errors.Unwrap(err)).Message())
	assert.ErrorContains(t, err, `not now (tried "server`)
}

func TestOtherCallsThatFailUnavailableAreSentOnce(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	cluster.FailCalls(1, codes.Unavailable, "not now")
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.Equal(t, 1, cluster.Calls(0)+cluster.Calls(1))
}

func TestRetriesOfGRPCsOwnGoElsewhereAndAreBoundedToo(t *testing.T) {
	policy := `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.001s",
		"maxBackoff":"0.002s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`
	t.Run("elsewhere", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		cluster.FailCalls(0, codes.Unavailable, "not now")
		cluster.FailCalls(1, codes.Unavailable, "not now")
		client := clientkit.Connect(t, cluster, cantonlb.Config{ServiceConfig: policy}, 3)
		assert.Equal(t, map[string]int{"server2": 6}, testkit.Spread(t, client, 6))
	})
	t.Run("bounded", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cluster.FailCalls(0, codes.Unavailable, "not now")
		cluster.FailCalls(1, codes.Unavailable, "not now")
		client := clientkit.Connect(t, cluster, cantonlb.Config{ServiceConfig: policy, Idempotent: echoIsIdempotent}, 2)
		_, err := lbtest.ServedBy(testkit.Context(t), client)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.ErrorContains(t, err, `not now (tried "server`)
		assert.Equal(t, 3, cluster.Calls(0)+cluster.Calls(1), "both layers together")
	})
}

func TestTheBudgetBoundsWhatIsMadeAgain(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	cluster.FailCalls(1, codes.Unavailable, "not now")
	client := clientkit.Connect(t, cluster, cantonlb.Config{
		Idempotent:  echoIsIdempotent,
		RetryBudget: cantonlb.RetryBudget{Share: 0.1, PerSecond: -1},
	}, 2)
	for range 100 {
		_, err := lbtest.ServedBy(testkit.Context(t), client)
		assert.Equal(t, codes.Unavailable, status.Code(err))
	}
	calls := cluster.Calls(0) + cluster.Calls(1)
	assert.Greater(t, calls, 100)
	assert.LessOrEqual(t, calls, 110)
}

func TestMethodsAreIdempotentByNameByServiceByFunctionAndByTheirDescriptor(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	for name, cfg := range map[string]cantonlb.Config{
		"by name":     {Idempotent: []string{lbtest.EchoMethod}},
		"by service":  {Idempotent: []string{"/lbtest.Echo/*"}},
		"by function": {IdempotentFunc: func(m string) bool { return m == lbtest.EchoMethod }},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientkit.Connect(t, cluster, cfg, 2)
			assert.Equal(t, map[string]int{"server1": 4}, testkit.Spread(t, client, 4))
		})
	}
	for _, bad := range []string{"", "Echo", "/", "/lbtest.Echo", "/lbtest.Echo/", "//Echo", "/a/b/c", "lbtest.Echo/Echo"} {
		_, err := cantonlb.NewClient(cantonlb.Config{Endpoints: clientkit.Endpoints(cluster), Idempotent: []string{bad}})
		assert.ErrorContains(t, err, "want a full method name", bad)
	}
}

func TestAServersOtherErrorsAreItsAnswer(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2)
	for _, code := range []codes.Code{codes.NotFound, codes.Internal, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted} {
		cluster.ResetCounts()
		cluster.FailCalls(0, code, "so it is")
		cluster.FailCalls(1, code, "so it is")
		_, err := lbtest.ServedBy(testkit.Context(t), client)
		assert.Equal(t, code, status.Code(err))
		assert.Equal(t, 1, cluster.Calls(0)+cluster.Calls(1))
	}
}

func TestInterceptorsOfTheApplicationSeeOneCall(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	var seen atomic.Int64
	client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 2,
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
			invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
		) error {
			seen.Add(1)
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
	testkit.Spread(t, client, 4)
	assert.EqualValues(t, 4, seen.Load())
	assert.Positive(t, cluster.Calls(0))
}

// A call's deadline may be longer than that of the calls whose failures eject
// the endpoint before its probes have decided.
func TestCallsOnAnEndpointThatIsEjectedBeforeItIsFoundToHangAreRescuedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 3)
		cluster.Hang(0)
		var wg sync.WaitGroup
		for i := range 60 {
			patient := i < 30
			wg.Go(func() {
				d := 900 * time.Millisecond
				if patient {
					d = 2 * time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), d)
				defer cancel()
				_, err := lbtest.ServedBy(ctx, client)
				assert.False(t, patient && err != nil, "%v", err)
			})
		}
		wg.Wait()
		assert.True(t, endpoint(client.Status(), "server0").Ejected)
	})
}

func TestCallsOnAnEndpointThatIsDrainedBeforeItIsFoundToHangAreRescuedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 3)
		cluster.Hang(0)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				_, err := lbtest.ServedBy(ctx, client)
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		require.NoError(t, client.Drain("server0"))
		wg.Wait()
	})
}

func TestWithOneAttemptTheServersErrorIsKept(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	cluster.FailCalls(0, codes.Unavailable, "the real reason")
	client := clientkit.Connect(t, cluster, cantonlb.Config{MaxAttempts: 1, ServiceConfig: `{"methodConfig":[{"name":[{}],"retryPolicy":{
		"maxAttempts":3,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`}, 1)
	_, err := lbtest.ServedBy(testkit.Context(t), client)
	assert.ErrorContains(t, err, "the real reason")
	assert.Equal(t, 1, cluster.Calls(0))
}

func TestTheTimeoutOfTheServiceConfigHoldsForAllRoundsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{
			Idempotent: echoIsIdempotent, ServiceConfig: `{"methodConfig":[{"name":[{}],"timeout":"1.5s"}]}`,
		}, 2)
		cluster.Hang(0)
		cluster.SetLatency(1, 10*time.Second)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				start := time.Now()
				_, err := lbtest.ServedBy(t.Context(), client)
				assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
				assert.Equal(t, 1500*time.Millisecond, time.Since(start))
			})
		}
		wg.Wait()
	})
}
