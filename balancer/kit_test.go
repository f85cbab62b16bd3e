package balancer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	_ "github.com/cantonlb/cantonlb/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// policy is a service config that selects the policy with this JSON.
func policy(config string) string {
	return fmt.Sprintf(`{"loadBalancingConfig":[{"healthy_round_robin":%s}]}`, config)
}

// dial makes a plain channel to a cluster, as a program would.
func dial(t *testing.T, c *lbtest.Cluster, serviceConfig string, opts ...grpc.DialOption) *grpc.ClientConn {
	return dialTarget(t, c.Target(), serviceConfig, append(c.DialOptions(), opts...)...)
}

func dialTarget(t *testing.T, target, serviceConfig string, opts ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{grpc.WithDefaultServiceConfig(serviceConfig)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return conn
}

func insecureCredentials() grpc.DialOption {
	return grpc.WithTransportCredentials(insecure.NewCredentials())
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// pass lets fake time pass, in a bubble.
func pass(d time.Duration) { time.Sleep(d) }

// awaitState waits until the channel's state is this one.
func awaitState(t *testing.T, conn *grpc.ClientConn, want connectivity.State) {
	t.Helper()
	conn.Connect()
	ctx := testkit.Context(t)
	for s := conn.GetState(); s != want; s = conn.GetState() {
		require.True(t, conn.WaitForStateChange(ctx, s), "the channel stays %v, want %v", s, want)
	}
}

// settled waits until every endpoint of a bubble is what it will be.
func settled(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	conn.Connect()
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// refusal makes a call that must fail at once, and returns its error.
func refusal(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	_, err := lbtest.Echo(testkit.Context(t), conn, "x")
	require.Error(t, err)
	return err
}

// calling makes calls one after the other until stop is called, which returns how
// many there were and the first error.
func calling(t *testing.T, conn *grpc.ClientConn, pause time.Duration) (stop func() (int, error)) {
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		for ; ctx.Err() == nil; r.n++ {
			if _, err := lbtest.Echo(context.WithoutCancel(ctx), conn, "x"); err != nil && r.err == nil {
				r.err = err
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
		done <- r
	}()
	return func() (int, error) {
		cancel()
		r := <-done
		return r.n, r.err
	}
}
