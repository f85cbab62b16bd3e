package cantonlb_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// cantonAllows is what Canton's nodes allow; a server of grpc-go without a policy
// allows a ping every five minutes.
var cantonAllows = grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 20 * time.Second})

func TestQuietStreamsAreNotPingedMoreOftenThanServersAllow(t *testing.T) {
	for _, c := range []struct {
		name   string
		role   cantonlb.Role
		health cantonlb.HealthCheck
		server []grpc.ServerOption
	}{
		{name: "Generic, no health checks", health: cantonlb.HealthCheck{Disabled: true}},
		{name: "Generic", health: cantonlb.HealthCheck{NoWatch: true}},
		{name: "Sequencer, no health checks", role: cantonlb.Sequencer, health: cantonlb.HealthCheck{Disabled: true}, server: []grpc.ServerOption{cantonAllows}},
		{name: "Mediator, no health checks", role: cantonlb.Mediator, health: cantonlb.HealthCheck{Disabled: true}, server: []grpc.ServerOption{cantonAllows}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithServerOptions(c.server...))
				client := clientkit.Connect(t, cluster, cantonlb.Config{Role: c.role, HealthCheck: c.health}, 1)
				stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
				require.NoError(t, err)
				for range 4 {
					_, err = stream.Recv()
					require.NoError(t, err)
				}
				assert.Equal(t, 1, cluster.TotalConns(0))
			})
		})
	}
}

func TestAQuietStreamOnADeadConnectionEndsByKeepalive(t *testing.T) {
	for role, within := range map[cantonlb.Role]time.Duration{
		cantonlb.Generic:   6*time.Minute + 16*time.Second,
		cantonlb.Sequencer: 56 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{Role: role, HealthCheck: cantonlb.HealthCheck{Disabled: true}}, 1)
			stream, err := lbtest.Ticks(t.Context(), client, time.Hour)
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
			cluster.Hang(0)
			start := time.Now()
			_, err = stream.Recv()
			require.Error(t, err)
			assert.Less(t, time.Since(start), within, "role %q", role)
		})
	}
}
