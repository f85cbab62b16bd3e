package lbtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
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

func TestKillBreaksCallsInFlightAndRefusesNewConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		c.SetLatency(0, time.Hour)
		conn := dial(t, c, 0)
		call := background(func() (string, error) { return lbtest.Echo(testkit.Context(t), conn, "hello") })
		c.WaitCalls(0, 1, testkit.Patience)

		c.Kill(0)

		assert.Equal(t, codes.Unavailable, status.Code(testkit.Receive(t, call).err))
		assert.Equal(t, 0, c.Conns(0))
		assert.False(t, c.Up(0))
		_, err := c.Dialer()(t.Context(), c.Addrs()[0])
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		c.Kill(0) // down stays down
	})
}

func TestKillOnTCPResetsTheConnection(t *testing.T) {
	c := lbtest.NewCluster(t, 1, nil, lbtest.OnTCP())
	conn, err := c.Dialer()(t.Context(), c.Addrs()[0])
	require.NoError(t, err)
	defer conn.Close()
	c.WaitConns(0, 1, testkit.Patience)

	c.Kill(0)

	require.NoError(t, conn.SetReadDeadline(time.Now().Add(testkit.Patience)))
	_, err = io.ReadAll(conn)
	assert.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestRestartListensAtTheSameAddressAndKeepsWhatWasSet(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		starts := 0
		c := lbtest.NewCluster(t, 1, func(srv *grpc.Server) { starts++; lbtest.RegisterEcho(srv) },
			listen, lbtest.WithHealthServices("a", "b"))
		conn := dial(t, c, 0, grpc.WithIdleTimeout(0))
		echo(t, conn)
		addr := c.Addrs()[0]
		c.SetServing(0, "a", false)

		c.Kill(0)
		noticed(t, conn)
		c.Restart(0)

		echo(t, conn)
		assert.Equal(t, addr, c.Addrs()[0])
		assert.True(t, c.Up(0))
		assert.Equal(t, 2, starts)
		assert.Equal(t, 2, c.Calls(0))
		assert.Equal(t, 2, c.TotalConns(0))
		for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
			"":  healthpb.HealthCheckResponse_SERVING,
			"a": healthpb.HealthCheckResponse_NOT_SERVING,
			"b": healthpb.HealthCheckResponse_SERVING,
		} {
			got, err := check(testkit.Context(t), conn, service)
			require.NoError(t, err)
			assert.Equal(t, want, got, service)
		}
	})
}

func TestRestartEndsTheProcessThatRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		ticks, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		c.Hang(0)

		c.Restart(0)

		_, err = ticks.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		noticed(t, conn)
		echo(t, conn) // the new process does not hang
	})
}

func TestStopLetsCallsInFlightFinish(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		release := make(chan struct{})
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen, lbtest.WithServerOptions(holdUnary(release)))
		conn := dial(t, c, 0)
		call := background(func() (string, error) { return lbtest.Echo(testkit.Context(t), conn, "hello") })
		c.WaitCalls(0, 1, testkit.Patience)

		stopped := background(func() (any, error) { c.Stop(0); return nil, nil })
		for {
			raw, err := c.Dialer()(t.Context(), c.Addrs()[0])
			if err != nil { // reset, if it was in the kernel's backlog
				assert.True(t, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET), err)

				break
			}
			raw.Close()
		}
		select {
		case <-stopped:
			assert.Fail(t, "Stop did not wait for the call")
		default:
		}
		close(release)

		got := testkit.Receive(t, call)
		require.NoError(t, got.err)
		assert.Equal(t, "hello", got.value)
		testkit.Receive(t, stopped)
		assert.False(t, c.Up(0))
		assert.Equal(t, 0, c.Conns(0))
		c.Stop(0) // down stays down
	})
}

// holdUnary keeps unary calls until release is closed or their context ends.
func holdUnary(release <-chan struct{}) grpc.ServerOption {
	return grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			select {
			case <-release:
				return handler(ctx, req)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
}

func TestKillCutsAStopShort(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		ticks, err := lbtest.Ticks(testkit.Context(t), dial(t, c, 0), time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		c.Hang(0)
		stopped := background(func() (any, error) { c.Stop(0); return nil, nil })

		c.Kill(0)

		testkit.Receive(t, stopped)
		assert.False(t, c.Up(0))
	})
}

func TestDisconnectBreaksConnectionsAndGoesOnListening(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen)
		conn := dial(t, c, 0)
		ticks, err := lbtest.Ticks(testkit.Context(t), conn, time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)

		c.Disconnect(0)

		_, err = ticks.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		noticed(t, conn)
		echo(t, conn)
		assert.Equal(t, 2, c.TotalConns(0))
	})
}

func TestAHandlerThatIgnoresItsContextIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := grpc.ChainUnaryInterceptor(
			func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
				<-release

				return nil, errors.New("late")
			})

		got := reports(t, func(tb testing.TB) {
			c := lbtest.NewCluster(tb, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(deaf))
			conn := dial(t, c, 0)
			go func() { _, _ = lbtest.Echo(t.Context(), conn, "hello") }()
			c.WaitCalls(0, 1, testkit.Patience)
		})
		close(release)

		assert.Equal(t, []string{
			"lbtest: server0: a handler still runs 10s after the end of the test: it must return when its context ends",
		}, got)
	})
}

func TestAllMethodsMayBeCalledAtTheSameTime(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, listen)
		conns := []*grpc.ClientConn{dial(t, c, 0), dial(t, c, 1)}
		actions := []func(i int){
			c.Kill, c.Restart, c.Disconnect, c.Resume, c.Partition, c.Heal, c.Restart,
			func(i int) { c.SetServing(i, "", i == 0) },
			func(i int) { c.SetLatency(i, time.Millisecond) },
			func(i int) { c.FailCalls(i, codes.Internal, "x") },
			func(i int) {
				c.Conns(i)
				c.TotalConns(i)
				c.Calls(i)
				c.LastCallAt(i)
				c.Up(i)
				c.Addrs()
			},
			func(int) { c.ResetCounts() },
			func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				defer cancel()
				_, _ = lbtest.Echo(ctx, conns[i], "hello")
			},
		}
		var all sync.WaitGroup
		for n := range 4 {
			for _, act := range actions {
				all.Go(func() {
					for range 10 {
						act(n % 2)
					}
				})
			}
		}
		all.Wait()

		for i := range c.Len() {
			c.Heal(i)
			c.Restart(i)
			c.SetLatency(i, 0)
			c.FailCalls(i, codes.OK, "")
			raw, err := c.Dialer()(t.Context(), c.Addrs()[i])
			require.NoError(t, err)
			require.NoError(t, raw.Close())
			echo(t, dial(t, c, i))
		}
	})
}

func TestAHungAndPartitionedClusterEndsCleanly(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		require.Empty(t, reports(t, func(tb testing.TB) {
			c := lbtest.NewCluster(tb, 3, lbtest.RegisterEcho, listen)
			for i := range c.Len() {
				conn := dial(t, c, i)
				echo(t, conn)
			}
			c.Hang(0)
			c.Partition(1)
			c.Hang(2)
			c.Partition(2)
			c.Kill(2)
			raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.Addrs()[0])
			if err == nil { // on TCP
				tb.Cleanup(func() { raw.Close() })
			}
		}))
	})
}
