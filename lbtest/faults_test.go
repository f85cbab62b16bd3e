package lbtest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// short is how long a call waits for an answer that must not come.
const short = 50 * time.Millisecond

func TestHangKeepsConnectionsOpenAndAnswersNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		echo(t, conn)

		c.Hang(0)
		c.Hang(0) // stays hung

		_, err := lbtest.Echo(testkit.Within(t, short), conn, "hello")
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		_, err = check(testkit.Within(t, short), conn, "")
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.Equal(t, 1, c.Conns(0))
		assert.Equal(t, 1, c.Calls(0))
		assert.Equal(t, 0, c.HealthCalls(0))
		assert.True(t, c.Up(0))
	})
}

func TestResumeAnswersWhatArrivedMeanwhile(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		echo(t, conn)
		c.Hang(0)
		call := background(func() (string, error) { return lbtest.Echo(testkit.Context(t), conn, "late") })

		c.Resume(0)
		c.Resume(0) // does nothing

		got := testkit.Receive(t, call)
		require.NoError(t, got.err)
		assert.Equal(t, "late", got.value)
		assert.Equal(t, 1, c.TotalConns(0))
	})
}

func TestAHungServerAcceptsConnectionsAndServesThemAfterResume(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		c.Hang(0)
		var calls []<-chan result[string]
		for range 3 {
			conn := dial(t, c, 0)
			calls = append(calls, background(func() (string, error) { return lbtest.Echo(testkit.Context(t), conn, "late") }))
		}
		c.WaitConns(0, 3, testkit.Patience)
		assert.Equal(t, 0, c.Calls(0))

		c.Resume(0)

		for _, call := range calls {
			require.NoError(t, testkit.Receive(t, call).err)
		}
	})
}

func TestAStreamPausesWhileItsServerHangs(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		ticks, err := lbtest.Ticks(testkit.Context(t), dial(t, c, 0), time.Millisecond)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		c.Hang(0)
		next := make(chan uint64, 1)
		var reader sync.WaitGroup
		reader.Go(func() {
			for {
				tick, err := ticks.Recv()
				if err != nil {
					return
				}
				select {
				case next <- tick.GetValue():
				default:
				}
			}
		})
		quiet := time.NewTimer(10 * short)
		for silent := false; !silent; { // what was on its way may still come
			select {
			case <-next:
			case <-time.After(short):
				silent = true
			case <-quiet.C:
				require.FailNow(t, "the stream did not pause")
			}
		}

		c.Resume(0)

		testkit.Receive(t, next)
		c.Kill(0)
		reader.Wait()
	})
}

func TestPartitionKeepsDialsAndCallsWaitingUntilHeal(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		echo(t, conn)

		c.Partition(0)

		_, err := lbtest.Echo(testkit.Within(t, short), conn, "hello")
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		_, err = c.Dialer()(testkit.Within(t, short), c.Addrs()[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		call := background(func() (string, error) { return lbtest.Echo(testkit.Context(t), conn, "late") })

		c.Heal(0)

		require.NoError(t, testkit.Receive(t, call).err)
		assert.Equal(t, 1, c.TotalConns(0))
	})
}

func TestAKillBehindAPartitionIsNoticedOnlyAfterHeal(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		ticks, err := lbtest.Ticks(testkit.Context(t), dial(t, c, 0), time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		c.Partition(0)

		c.Kill(0)

		assert.Equal(t, 0, c.Conns(0))
		noticed := background(func() (any, error) { return ticks.Recv() })
		select {
		case <-noticed:
			require.FailNow(t, "the client noticed through a partition")
		case <-time.After(short):
		}
		c.Heal(0)
		assert.Equal(t, codes.Unavailable, status.Code(testkit.Receive(t, noticed).err))
	})
}

func TestHealthStatusesReachCheckAndWatch(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, nil, listen)
		conn := dial(t, c, 0)
		ctx := testkit.Context(t)
		watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: "a"})
		require.NoError(t, err)
		expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			resp, err := watch.Recv()
			require.NoError(t, err)
			assert.Equal(t, want, resp.GetStatus())
		}
		expect(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)

		c.SetServing(0, "a", true)
		expect(healthpb.HealthCheckResponse_SERVING)
		c.SetServing(0, "a", false)
		expect(healthpb.HealthCheckResponse_NOT_SERVING)
		c.SetHealthStatus(0, "a", healthpb.HealthCheckResponse_UNKNOWN)
		expect(healthpb.HealthCheckResponse_UNKNOWN)

		got, err := check(ctx, conn, "a")
		require.NoError(t, err)
		assert.Equal(t, healthpb.HealthCheckResponse_UNKNOWN, got)
	})
}

func TestFailCallsFailsApplicationCallsOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		c.SetLatency(0, time.Hour) // not waited for
		c.FailCalls(0, codes.ResourceExhausted, "full")

		_, err := lbtest.Echo(testkit.Context(t), conn, "hello")
		assert.Equal(t, status.Error(codes.ResourceExhausted, "full").Error(), err.Error())
		ticks, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
		_, err = check(testkit.Context(t), conn, "")
		require.NoError(t, err)
		assert.Equal(t, 2, c.Calls(0))

		c.SetLatency(0, 0)
		c.FailCalls(0, codes.OK, "")
		echo(t, conn)
	})
}

func TestAFailedCallCanBeRetried(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	c.FailCalls(0, codes.Unavailable, "no")
	conn := dial(t, c, 0, grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
		"retryableStatusCodes": ["UNAVAILABLE"]}}]}`))

	_, err := lbtest.Echo(testkit.Context(t), conn, "hello")
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.Equal(t, 3, c.Calls(0))

	ticks, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
	require.NoError(t, err)
	_, err = ticks.Recv()
	assert.Error(t, err) // not always UNAVAILABLE: grpc may replace it by the EOF of a repeated send
	assert.Equal(t, 6, c.Calls(0))
}

func TestHealthFaultsLeaveApplicationCallsAlone(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	conn := dial(t, c, 0)
	c.FailHealthCalls(0, codes.Internal, "broken")
	c.FailHealthWatches(0, codes.Unimplemented, "no such thing")

	_, err := check(testkit.Context(t), conn, "")
	assert.Equal(t, codes.Internal, status.Code(err))
	watch, err := healthpb.NewHealthClient(conn).Watch(testkit.Context(t), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	assert.Equal(t, codes.Unimplemented, status.Code(err))
	echo(t, conn)

	c.FailHealthCalls(0, codes.OK, "")
	c.SetHealthLatency(0, time.Hour)
	_, err = check(testkit.Within(t, short), conn, "")
	assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	echo(t, conn)
}

func TestCountsTellTheKindsOfCallsApart(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		assert.Zero(t, c.LastCallAt(0))
		before := time.Now()
		echo(t, conn)
		_, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
		require.NoError(t, err)
		c.WaitCalls(0, 2, testkit.Patience)
		require.Equal(t, codes.Unimplemented, status.Code(conn.Invoke(testkit.Context(t), "/no.Such/Method", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{})))
		_, err = check(testkit.Context(t), conn, "")
		require.NoError(t, err)
		c.WaitHealthCalls(0, 1, testkit.Patience)
		_, err = healthpb.NewHealthClient(conn).Watch(testkit.Context(t), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		c.WaitHealthWatches(0, 1, testkit.Patience)
		_, err = healthpb.NewHealthClient(conn).List(testkit.Context(t), &healthpb.HealthListRequest{})
		require.NoError(t, err)

		assert.Equal(t, 3, c.Calls(0))
		assert.Equal(t, 1, c.HealthCalls(0))
		assert.Equal(t, 1, c.HealthWatches(0))
		assert.Equal(t, 1, c.Conns(0))
		assert.Equal(t, 1, c.TotalConns(0))
		assert.False(t, c.LastCallAt(0).Before(before))
		assert.Zero(t, c.Calls(1))

		c.ResetCounts()
		assert.Zero(t, c.Calls(0))
		assert.Zero(t, c.HealthCalls(0))
		assert.Zero(t, c.HealthWatches(0))
		assert.Zero(t, c.TotalConns(0))
		assert.Zero(t, c.LastCallAt(0))
		assert.Equal(t, 1, c.Conns(0))
	})
}
