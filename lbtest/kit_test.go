package lbtest_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBoth runs a test on bufconn and on TCP.
func onBoth(t *testing.T, test func(t *testing.T, listen lbtest.Option)) {
	t.Helper()
	t.Run("bufconn", func(t *testing.T) { test(t, lbtest.WithServerOptions()) })
	t.Run("tcp", func(t *testing.T) { test(t, lbtest.OnTCP()) })
}

// dial returns a client of one server that closes with the test.
func dial(t *testing.T, c *lbtest.Cluster, i int, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()

	conn, err := grpc.NewClient("passthrough:///"+c.Addrs()[i], append(c.DialOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })

	return conn
}

// echo makes a call that must succeed, waiting for a connection. When it returns,
// the client's state is READY, which grpc sets a moment after the first call may
// already be on its way.
func echo(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()

	ctx := testkit.Context(t)
	_, err := lbtest.Echo(ctx, conn, "hello", grpc.WaitForReady(true))
	require.NoError(t, err)
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		require.True(t, conn.WaitForStateChange(ctx, state), "the client is %v after a call", state)
	}
}

// noticed waits until the client knows that its connection broke.
func noticed(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()

	ctx := testkit.Context(t)
	for conn.GetState() == connectivity.Ready {
		require.True(t, conn.WaitForStateChange(ctx, connectivity.Ready), "the client noticed nothing")
	}
}

func check(ctx context.Context, conn *grpc.ClientConn, service string) (healthpb.HealthCheckResponse_ServingStatus, error) {
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})

	return resp.GetStatus(), err
}

// background runs a call and returns its result on a channel.
func background[T any](f func() (T, error)) <-chan result[T] {
	results := make(chan result[T], 1)
	go func() {
		value, err := f()
		results <- result[T]{value: value, err: err}
	}()

	return results
}

type result[T any] struct {
	value T
	err   error
}

// recorder is a testing.TB that notes what the kit reports.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// reports runs f as a test of its own, with its cleanups, and returns what it
// reported.
func reports(t *testing.T, f func(tb testing.TB)) []string {
	t.Helper()

	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, cleanup := range r.cleanups {
				cleanup()
			}
		}()
		f(r)
	}()
	testkit.Receive(t, done)

	return r.messages
}
