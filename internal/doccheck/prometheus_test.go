package doccheck_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/prometheus"
	otelmetric "go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// full is a client in whose status there is something of everything.
type full struct{}

func (full) Status() cantonlb.Status {
	return cantonlb.Status{
		Endpoints: []cantonlb.EndpointStatus{{
			Name: "seq1", Heard: time.Now(), Phase: report.PhaseTLS,
			Transitions: []cantonlb.TransitionCount{{To: cantonlb.StateConnecting, Count: 1}},
			Probe: cantonlb.ProbeStatus{
				Kind: report.KindGRPCCheck, RoundTrip: time.Millisecond,
				Verdicts: []report.VerdictCount{{Kind: report.KindGRPCCheck, Count: 1}},
			},
		}},
		File:     &cantonlb.FileStatus{},
		Failover: &cantonlb.FailoverStatus{Reasons: map[report.Reason]uint64{report.ReasonFirstChoice: 1}},
	}
}

// Leases is a lease in whose status there is something of everything.
func (full) Leases() []report.LeaseStatus {
	return []report.LeaseStatus{{
		Name: "pink", State: report.LeaseHolder, Held: true, Until: time.Now().Add(time.Minute), Token: 1,
		Counts: []report.LeaseEventCount{{Kind: report.LeaseEventAcquired, Reason: report.ReasonLeaseFree, Count: 1}},
	}}
}

// shards is a router in whose status there is something of everything.
type shards struct{}

func (shards) Status() report.RouterStatus {
	return report.RouterStatus{
		Name: "shards", Refused: map[report.Reason]uint64{report.ReasonShardNowhere: 1}, File: &report.FileStatus{},
		Shards: []report.ShardStatus{{Name: "p1", State: report.ShardLive, Answers: map[report.ShardStanding]uint64{report.ShardHosted: 1}}},
		Events: []report.ShardEventCount{{Kind: report.ShardEventMoved, Shard: "p1", Count: 1}},
	}
}

// prometheusNames returns Prometheus' names of the metrics, and the names of their
// labels, as the exporter makes them.
func prometheusNames(t *testing.T) (names, labels map[string]bool) {
	t.Helper()
	registry := promclient.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	require.NoError(t, err)
	provider := sdk.NewMeterProvider(sdk.WithReader(exporter))
	_, err = otelmetrics.Observe(full{}, otelmetrics.WithMeterProvider(provider))
	require.NoError(t, err)
	_, err = otelmetrics.ObserveLeases(full{}, otelmetrics.WithMeterProvider(provider))
	require.NoError(t, err)
	_, err = otelmetrics.ObserveShards(shards{}, otelmetrics.WithMeterProvider(provider))
	require.NoError(t, err)
	for _, d := range metric.All() {
		if d.Only == metric.Recorder {
			h, err := provider.Meter("recorder").Float64Histogram(d.Name, otelmetric.WithUnit(d.Unit))
			require.NoError(t, err)
			h.Record(t.Context(), 1)
		}
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	names, labels = map[string]bool{}, map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		for _, m := range f.GetMetric() {
			if m.GetHistogram() != nil {
				for _, suffix := range []string{"_sum", "_count", "_bucket"} {
					names[f.GetName()+suffix] = true
				}
			}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
	}
	return names, labels
}

// expressions returns the queries of docs/grafana.json by panel.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int    `json:"id"`
			Title   string `json:"title"`
			Targets []struct {
				Expr  string `json:"expr"`
				RefID string `json:"refId"`
			} `json:"targets"`
		} `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	assert.Equal(t, "cantonlb", dashboard.UID)
	out, ids := map[string]string{}, map[int]bool{}
	for _, p := range dashboard.Panels {
		assert.False(t, ids[p.ID], "panel id %d", p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Targets, p.Title)
		for _, x := range p.Targets {
			out[p.Title+" "+x.RefID] = x.Expr
		}
	}
	return out
}

// words are the names in an expression that begin as ours do.
var words = regexp.MustCompile(`\b(cantonlb|grpc)_\w+`)

func TestEveryNameInTheDashboardAndTheAlertsExists(t *testing.T) {
	names, labels := prometheusNames(t)
	texts := expressions(t)
	for _, file := range []string{"../../docs/alerts.yml", "../../docs/alerts_test.yml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[file] = string(text)
	}
	used := map[string]bool{}
	for where, text := range texts {
		for _, word := range words.FindAllString(text, -1) {
			assert.True(t, names[word] || labels[word], "%s in %s: want one of %v or %v", word, where, names, labels)
			used[word] = true
		}
	}
	for name := range names {
		if strings.HasPrefix(name, "cantonlb_") && !strings.Contains(name, "_duration") && name != "cantonlb_endpoint_eligible" {
			assert.Contains(t, strings.Join(values(expressions(t)), " "), name, "the dashboard shows it")
		}
	}
	assert.True(t, used["cantonlb_endpoint_eligible"])
}

func values(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// promtool runs Prometheus' tool, and returns its output.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is missing (Debian package prometheus): the rules are not checked")
	}
	output, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	assert.NoError(t, err, string(output))
}

func TestThePrometheusToolAcceptsTheAlertsAndTheirTests(t *testing.T) {
	promtool(t, "check", "rules", "../../docs/alerts.yml")
	promtool(t, "test", "rules", "../../docs/alerts_test.yml")
}

func TestThePrometheusToolAcceptsTheQueriesOfTheDashboard(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	i := 0
	for _, expr := range expressions(t) {
		expr = strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h").Replace(expr)
		i++
		fmt.Fprintf(&rules, "      - {record: \"panel%d:query\", expr: %q}\n", i, expr)
	}
	assert.Greater(t, i, 20)
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules.String()), 0o600))
	promtool(t, "check", "rules", file)
}
