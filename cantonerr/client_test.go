package cantonerr_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// answering returns a client of servers that answer each call with this error.
func answering(t *testing.T, cfg cantonlb.Config, err error) *cantonlb.Client {
	t.Helper()
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithServerOptions(grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if info.FullMethod == lbtest.EchoMethod {
				return nil, err
			}
			return handler(ctx, req)
		})))
	return clientkit.Connect(t, cluster, cfg, 2)
}

func TestACallsErrorTellsWhatTheNodeHasSaid(t *testing.T) {
	said, err := status.New(codes.Unavailable, "NODE_IS_PASSIVE_REPLICA(1,1a2b3c4d): Cannot process submitted command.").WithDetails(
		&errdetails.ErrorInfo{Reason: "NODE_IS_PASSIVE_REPLICA", Metadata: map[string]string{
			"category": "1", "definite_answer": "true", "participant": "p1",
		}},
		&errdetails.RequestInfo{RequestId: "1a2b3c4d5e6f"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	require.NoError(t, err)
	for name, cfg := range map[string]cantonlb.Config{
		"of one attempt": {}, "of several": {Idempotent: []string{lbtest.EchoMethod}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lbtest.ServedBy(testkit.Context(t), answering(t, cfg, said.Err()))
			e, ok := cantonerr.From(err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, "NODE_IS_PASSIVE_REPLICA", e.ID)
			assert.Equal(t, cantonerr.TransientServerFailure, e.Category)
			assert.Equal(t, "1a2b3c4d5e6f", e.CorrelationID)
			assert.True(t, e.DefiniteAnswer)
			assert.Equal(t, 2*time.Second, e.RetryDelay)
			assert.Equal(t, map[string]string{"participant": "p1"}, e.Metadata)
			assert.Equal(t, err.Error(), e.Error())
			assert.Equal(t, codes.Unavailable, status.Code(e))
			assert.ErrorIs(t, e, err)
			assert.True(t, cantonerr.Retryable(err))
			assert.False(t, cantonerr.AlreadyDone(err))
			var several *cantonlb.AttemptsError
			assert.Equal(t, cfg.Idempotent != nil, errors.As(e, &several))
		})
	}
}

func TestADuplicateCommandIsDoneAlready(t *testing.T) {
	err := status.Error(codes.AlreadyExists, "DUPLICATE_COMMAND(10,0): A command with the given command id has already been processed.")
	_, err = lbtest.ServedBy(testkit.Context(t), answering(t, cantonlb.Config{}, err))
	assert.True(t, cantonerr.AlreadyDone(err))
	assert.False(t, cantonerr.Retryable(err))
}

func TestAnErrorOfWhichNoNodeHasSaidAnythingIsNoCantonError(t *testing.T) {
	for name, err := range map[string]error{
		"nil": nil, "plain": errors.New("ID(1,0): x"), "of grpc": status.Error(codes.Unavailable, "connection refused"),
	} {
		e, ok := cantonerr.From(err)
		assert.False(t, ok, name)
		assert.Nil(t, e, name)
		assert.False(t, cantonerr.Retryable(err), name)
		assert.False(t, cantonerr.AlreadyDone(err), name)
	}
}
