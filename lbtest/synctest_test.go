package lbtest_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestLatencyTakesFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		conn := dial(t, c, 0)
		c.SetLatency(0, 3*time.Second)
		c.SetHealthLatency(0, 5*time.Second)

		start := time.Now()
		_, err := lbtest.Echo(testkit.Within(t, time.Minute), conn, "hello")
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))

		start = time.Now()
		_, err = check(testkit.Within(t, time.Minute), conn, "")
		require.NoError(t, err)
		assert.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAHungServerIsFoundByKeepaliveInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		conn := dial(t, c, 0, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 40 * time.Second, Timeout: 15 * time.Second,
		}))
		ticks, err := lbtest.Ticks(t.Context(), conn, time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		start := time.Now()

		c.Hang(0)

		_, err = ticks.Recv()
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.LessOrEqual(t, time.Since(start), 55*time.Second)
		assert.Equal(t, 1, c.Conns(0), "a hung server does not see that its client went away")
	})
}

func TestEveryFaultWorksInFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		conn := dial(t, c, 0)
		fails := func(want codes.Code) {
			t.Helper()
			start := time.Now()
			_, err := lbtest.Echo(testkit.Within(t, time.Second), conn, "hello")
			assert.Equal(t, want, status.Code(err))
			if want == codes.DeadlineExceeded {
				assert.Equal(t, time.Second, time.Since(start))
			}
		}
		works := func() {
			t.Helper()
			_, err := lbtest.Echo(testkit.Within(t, 10*time.Minute), conn, "hello", grpc.WaitForReady(true))
			require.NoError(t, err)
		}
		works()

		c.Hang(0)
		fails(codes.DeadlineExceeded)
		c.Resume(0)
		works()

		c.Partition(0)
		fails(codes.DeadlineExceeded)
		c.Heal(0)
		works()

		c.Kill(0)
		noticed(t, conn)
		fails(codes.Unavailable)
		c.Restart(0)
		works()

		c.Disconnect(0)
		noticed(t, conn)
		works()

		c.Stop(0)
		fails(codes.Unavailable)
		c.Restart(0)
		works()
	})
}

func TestTheBacklogOfAHungServerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, nil)
		c.Hang(0)
		var conns []net.Conn
		for {
			conn, err := c.Dialer()(testkit.Within(t, time.Second), c.Addrs()[0])
			if err != nil {
				assert.ErrorContains(t, err, "dial bufconn server0.lbtest:1: context deadline exceeded")

				break
			}
			conns = append(conns, conn)
		}
		assert.GreaterOrEqual(t, len(conns), 128)
		assert.LessOrEqual(t, len(conns), 130)
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
	})
}

func TestAHungAndPartitionedClusterEndsInsideItsBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		c.SetLatency(3, time.Hour)
		for i := range c.Len() {
			conn := dial(t, c, i)
			if i < 3 {
				echo(t, conn)
			}
			go func() { _, _ = lbtest.Echo(t.Context(), conn, "hello") }()
		}
		c.WaitCalls(3, 1, testkit.Patience)
		c.Hang(0)
		c.Partition(1)
		c.Hang(2)
		c.Partition(2)
		c.Kill(2)
		c.Hang(3)
	})
}
