package metric

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheDocsListEveryMetricAsItIs(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `cantonlb.") && strings.Count(line, "|") == 6 {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	kinds := map[Kind]string{Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
	only := map[Way]string{Recorder: " *Only by grpc's recorder.*", Collector: " *Only by `otelmetrics`.*"}
	var want []string
	for _, d := range slices.Concat(All(), Leases(), Shards()) {
		labels := "-"
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | `%s` | %s | %s%s |", d.Name, kinds[d.Kind], d.Unit, labels, d.Description, only[d.Only]))
	}
	assert.Equal(t, want, got)
}

func TestEveryMetricIsWellFormed(t *testing.T) {
	for _, d := range slices.Concat(All(), Leases(), Shards()) {
		assert.Regexp(t, `^cantonlb(\.[a-z]+(_[a-z]+)*)+$`, d.Name)
		assert.Regexp(t, `^(s|ms|\{[a-z_]+\})$`, d.Unit, d.Name)
		assert.Regexp(t, `^[A-Z0-9].*\.$`, d.Description, d.Name)
		assert.Equal(t, d.Kind == Histogram, len(d.Bounds) > 0, d.Name)
	}
}
