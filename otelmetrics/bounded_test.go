package otelmetrics_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/otelmetrics"
)

// However many texts a server sends, they create no series.
func TestTenThousandMessagesOfAServerMakeNoSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		recorded, observed := newCollector(), newCollector()
		client, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints:   []cantonlb.Endpoint{{Name: "server0", Address: cluster.Addrs()[0]}},
			HealthCheck: healthcheck.Config{NoWatch: true, Jitter: healthcheck.NoJitter},
		}, append(cluster.DialOptions(), recorded.plugin())...)
		require.NoError(t, err)
		defer client.Close()
		stop, err := otelmetrics.Observe(client, otelmetrics.WithMeterProvider(observed))
		require.NoError(t, err)
		require.NoError(t, client.WaitHealthy(t.Context(), 1))

		failing := []codes.Code{codes.Internal, codes.Unavailable, codes.PermissionDenied, codes.NotFound, codes.Unimplemented}
		for i := range 10_000 {
			cluster.FailHealthCalls(0, failing[i%len(failing)], fmt.Sprintf("message %d <script>", i))
			if i%10 == 9 { // now and then it is well, so that the state changes too
				cluster.FailHealthCalls(0, codes.OK, "")
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		for way, series := range map[string]map[string]float64{"recorder": recorded.collect(t), "collector": observed.collect(t)} {
			assert.Less(t, len(series), 60, way)
			for key := range series {
				assert.NotContains(t, key, "message", way)
			}
			assert.Greater(t, series["cantonlb.probes{server0,grpc_check,failed}"], 1000.0, way)
		}
		require.NoError(t, stop())
	})
}
