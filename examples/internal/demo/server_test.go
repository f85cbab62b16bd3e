package demo_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb/examples/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAServerTellsItsHealthUnderBothNames(t *testing.T) {
	server, err := demo.Start(t.Context(), "127.0.0.1:0", "node")
	require.NoError(t, err)
	defer server.Close()
	conn, err := grpc.NewClient(server.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()

	for serving, want := range map[bool]string{false: "NOT_SERVING", true: "SERVING"} {
		server.SetServing(serving)
		for _, service := range []string{"", "node"} {
			reply, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			require.NoError(t, err)
			assert.Equal(t, want, reply.GetStatus().String())
		}
	}
	server.Close()
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	server, err := demo.Start(t.Context(), "127.0.0.1:0", "")
	require.NoError(t, err)
	defer server.Close()
	_, err = demo.Start(t.Context(), server.Addr(), "")
	require.ErrorContains(t, err, "demo server: listen tcp "+server.Addr())
}
