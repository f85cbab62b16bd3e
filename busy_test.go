package cantonlb_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// busyStreams is how many streams a busy server allows on a connection.
const busyStreams = 4

// busy starts a server that allows few streams, and returns it with a client of it.
func busy(t *testing.T) (*lbtest.Cluster, *cantonlb.Client) {
	t.Helper()
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.MaxConcurrentStreams(busyStreams)))
	return cluster, clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
}

// takeByCalls takes all streams by unary calls of this length, and has more of them
// wait. It returns a channel of their errors, which is closed at the end.
func takeByCalls(t *testing.T, cluster *lbtest.Cluster, client *cantonlb.Client, d time.Duration) <-chan error {
	t.Helper()
	const calls = 3 * busyStreams
	cluster.SetLatency(0, d)
	ends := make(chan error, calls)
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			_, err := lbtest.ServedBy(t.Context(), client)
			ends <- err
		})
	}
	go func() {
		wg.Wait()
		close(ends)
	}()
	return ends
}

// takeByStreams takes all streams by streams that receive a message from time to time,
// and returns a channel of their errors, which is closed when all have ended.
func takeByStreams(t *testing.T, client *cantonlb.Client) <-chan error {
	t.Helper()
	ends := make(chan error, busyStreams)
	var wg sync.WaitGroup
	for range busyStreams { // the last one waits, since one stream is for probes
		wg.Go(func() {
			stream, err := lbtest.Ticks(t.Context(), client, 20*time.Second)
			for err == nil {
				_, err = stream.Recv()
			}
			ends <- err
		})
	}
	go func() {
		wg.Wait()
		close(ends)
	}()
	return ends
}

// neverUnhealthy asserts that no endpoint has ever been unhealthy.
func neverUnhealthy(t *testing.T, client *cantonlb.Client) {
	t.Helper()
	for _, e := range client.Events() {
		assert.NotEqual(t, cantonlb.StateUnhealthy, e.To, "%v", e)
	}
	assert.Equal(t, 1, client.Status().Eligible())
	assert.Empty(t, client.Status().Endpoints[0].ConnectionError, "its connection is the first")
}

func TestABusyServerWithAllStreamsTakenByUnaryCallsIsNotCalledDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, client := busy(t)
		ends := takeByCalls(t, cluster, client, 30*time.Second)
		for err := range ends {
			assert.NoError(t, err, "each call is answered in its turn")
		}
		neverUnhealthy(t, client)
	})
}

func TestABusyServerWithAllStreamsTakenByLongStreamsIsNotCalledDeadAndItsStreamsAreNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client := busy(t)
		ends := takeByStreams(t, client)
		time.Sleep(10 * time.Minute)
		neverUnhealthy(t, client)
		assert.EqualValues(t, busyStreams-1, client.Status().Endpoints[0].Calls.InFlight)
		assert.Empty(t, ends, "none has ended")
	})
}

func TestAServerThatHangsWithAllStreamsTakenIsFound(t *testing.T) {
	for name, take := range map[string]func(*testing.T, *lbtest.Cluster, *cantonlb.Client) <-chan error{
		"by unary calls": func(t *testing.T, cluster *lbtest.Cluster, client *cantonlb.Client) <-chan error {
			t.Helper()
			return takeByCalls(t, cluster, client, time.Hour)
		},
		"by long streams": func(t *testing.T, _ *lbtest.Cluster, client *cantonlb.Client) <-chan error {
			t.Helper()
			return takeByStreams(t, client)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster, client := busy(t)
				ends := take(t, cluster, client)
				time.Sleep(time.Minute)
				neverUnhealthy(t, client)

				hung := time.Now()
				cluster.Hang(0)
				require.Equal(t, codes.Unavailable, status.Code(<-ends), "what is under way ends")
				assert.Less(t, time.Since(hung), 3200*time.Millisecond, "deadAfter, and the time of a sample")
				assert.True(t, slices.ContainsFunc(client.Events(), func(e cantonlb.Event) bool {
					return e.To == cantonlb.StateUnhealthy && e.At.After(hung)
				}))
				assert.Zero(t, client.Status().Eligible())
			})
		})
	}
}

// forbidding is a connection on which the server, once asked to, says after the next thing
// that it sends that it allows no streams.
type forbidding struct {
	net.Conn

	asked *atomic.Bool
}

func (c forbidding) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.asked.Swap(false) {
		n += copy(b[n:], []byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0}) // SETTINGS_MAX_CONCURRENT_STREAMS is 0
	}
	return n, err
}

// A server may forbid streams on a connection for ever. Calls in flight go on.
func TestAConnectionOnWhichTheServerAllowsNoStreamIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		var asked atomic.Bool
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1, grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) {
			conn, err := cluster.Dialer()(ctx, a)
			return forbidding{conn, &asked}, err
		}))
		stream, err := lbtest.Ticks(t.Context(), client, time.Second)
		require.NoError(t, err)
		asked.Store(true)
		for asked.Load() { // what is received may have been read before
			_, err = stream.Recv()
			require.NoError(t, err)
		}
		synctest.Wait()

		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = lbtest.Echo(ctx, client, "x")
		require.NoError(t, err)
		assert.InDelta(t, 12, time.Since(begin).Seconds(), 2)
		for range 30 {
			_, err = stream.Recv()
			require.NoError(t, err)
		}
		assert.Equal(t, 2, cluster.Conns(0))
		neverUnhealthy(t, client)
	})
}
