package cantonlb_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// answering is an option by which the servers answer unary calls of the Echo service
// with an error, and streams with a few ticks and then the error.
func answering(answer error) lbtest.Option {
	return lbtest.WithServerOptions(
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if info.FullMethod == lbtest.EchoMethod {
				return nil, answer
			}
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if info.FullMethod != lbtest.TicksMethod {
				return next(srv, s)
			}
			if err := s.SendMsg(wrapperspb.UInt64(0)); err != nil {
				return err
			}
			return answer
		}))
}

func TestTheErrorOfACallNamesItsEndpointAndKeepsItsStatus(t *testing.T) {
	answer, err := status.New(codes.NotFound, "no such party").WithDetails(&errdetails.ErrorInfo{Reason: "PARTY_NOT_KNOWN"})
	require.NoError(t, err)
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, answering(answer.Err()))
	for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
		client := clientkit.Connect(t, cluster, cantonlb.Config{Policy: policy}, 1)
		check := func(err error) {
			t.Helper()
			var attempt *cantonlb.AttemptError
			require.ErrorAs(t, err, &attempt)
			assert.Equal(t, "server0", attempt.Endpoint)
			assert.Equal(t, cluster.Addrs()[0], attempt.Address)
			assert.EqualError(t, err, `rpc error: code = NotFound desc = no such party (endpoint "server0" at `+cluster.Addrs()[0]+")")
			assert.Equal(t, codes.NotFound, status.Code(err))
			got, ok := status.FromError(err)
			assert.True(t, ok)
			assert.Equal(t, "no such party", got.Message())
			assert.Len(t, got.Details(), 1)
			assert.ErrorIs(t, err, answer.Err(), "as grpc's own error is")
		}
		_, err := lbtest.ServedBy(t.Context(), client)
		check(err)
		ticks, err := lbtest.Ticks(t.Context(), client, time.Hour)
		require.NoError(t, err)
		_, err = ticks.Recv()
		require.NoError(t, err)
		_, err = ticks.Recv()
		check(err)
	}
}

func TestTheEndOfAStreamIsNotWrapped(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, answering(nil))
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
	ticks, err := lbtest.Ticks(t.Context(), client, time.Hour)
	require.NoError(t, err)
	_, err = ticks.Recv()
	require.NoError(t, err)
	_, err = ticks.Recv()
	assert.Equal(t, io.EOF, err, "programs compare with ==")
}

func TestADeadlineOnAHungServerNamesTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		cluster.Hang(0)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := lbtest.ServedBy(ctx, client)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.ErrorContains(t, err, `(endpoint "server0" at `+cluster.Addrs()[0]+")")
		_, err = client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, lbtest.TicksMethod)
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
	})
}

func TestAConnectionThatIsLostNamesTheEndpointOfTheStream(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
	ticks, err := lbtest.Ticks(t.Context(), client, time.Hour)
	require.NoError(t, err)
	_, err = ticks.Recv()
	require.NoError(t, err)
	cluster.Kill(0)
	_, err = ticks.Recv()
	assert.Equal(t, codes.Unavailable, status.Code(err))
	assert.ErrorContains(t, err, `(endpoint "server0" at `)
}
