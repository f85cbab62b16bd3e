package otelmetrics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats/opentelemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is a MeterProvider that is read by hand.
type collector struct {
	*sdk.MeterProvider

	reader *sdk.ManualReader
}

func newCollector() collector {
	reader := sdk.NewManualReader()
	return collector{sdk.NewMeterProvider(sdk.WithReader(reader)), reader}
}

// plugin is grpc's own, which records to the collector.
func (c collector) plugin() grpc.DialOption {
	return opentelemetry.DialOption(opentelemetry.Options{MetricsOptions: opentelemetry.MetricsOptions{MeterProvider: c}})
}

// collect returns the value of every series, by name and labels other than the
// target; of a histogram, the number of values.
func (c collector) collect(t testing.TB) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, c.reader.Collect(t.Context(), &all))
	out := map[string]float64{}
	add := func(name string, set attribute.Set, v float64) {
		var labels []string
		for _, kv := range set.ToSlice() {
			if kv.Key != "grpc.target" {
				labels = append(labels, kv.Value.AsString())
			}
		}
		key := fmt.Sprintf("%s{%s}", name, strings.Join(labels, ","))
		require.NotContains(t, out, key)
		out[key] = v
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if strings.HasPrefix(m.Name, "cantonlb.") {
				eachPoint(m, func(set attribute.Set, v float64) { add(m.Name, set, v) })
			}
		}
	}
	return out
}

func eachPoint(m metricdata.Metrics, do func(attribute.Set, float64)) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			do(p.Attributes, float64(p.Value))
		}
	case metricdata.Sum[float64]:
		for _, p := range data.DataPoints {
			do(p.Attributes, p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			do(p.Attributes, float64(p.Value))
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			do(p.Attributes, p.Value)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			do(p.Attributes, float64(p.Count))
		}
	}
}
