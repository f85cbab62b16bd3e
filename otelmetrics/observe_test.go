package otelmetrics_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/report"
)

// source is a client whose status is what the test says.
type source struct{ now report.Status }

func (s *source) Status() report.Status { return s.now }

// full is a status in which there is something of everything.
func full() report.Status {
	return report.Status{
		Target: "static:///test",
		Endpoints: []report.EndpointStatus{
			{
				Name: "seq1", State: report.StateHealthy, Reason: report.ReasonServing, Eligible: true, Active: true,
				Calls: report.CallStats{Picked: 7, InFlight: 2, Heard: 5, Failed: 1}, Ejections: 3, Heard: time.Now().Add(-time.Hour),
				Transitions: []report.TransitionCount{
					{To: report.StateConnecting, Count: 1}, {To: report.StateHealthy, Reason: report.ReasonServing, Count: 4},
				},
				Probe: report.ProbeStatus{
					Kind: report.KindGRPCCheck, RoundTrip: 1500 * time.Microsecond,
					Verdicts: []report.VerdictCount{
						{Kind: report.KindGRPCWatch, Outcome: report.Serving, Count: 1},
						{Kind: report.KindGRPCCheck, Outcome: report.Failed, Count: 9},
					},
				},
			},
			{Name: "seq2", State: report.StateUnhealthy, Reason: "what a func said"},
		},
		File: &report.FileStatus{Reloads: 7, Failures: 8},
		Failover: &report.FailoverStatus{
			Active: "seq1", Multiple: []string{"seq1", "seq2"}, Switches: 5,
			Reasons: map[report.Reason]uint64{report.ReasonFirstChoice: 1, report.ReasonNotServing: 4},
		},
		Totals: report.Totals{
			Rescued: 1, Retried: 2, RetriesRefused: 3, Hedged: 11, HedgesWon: 10, HedgesRefused: 9, NoneEligible: 4, NoneEligibleTime: 2500 * time.Millisecond,
			ListsAccepted: 5, ListsRefused: 6,
		},
	}
}

func TestEverythingInAStatusIsMeasured(t *testing.T) {
	c := newCollector()
	stop, err := otelmetrics.Observe(&source{full()}, otelmetrics.WithMeterProvider(c))
	require.NoError(t, err)
	got := c.collect(t)
	assert.InDelta(t, 3_600_000, got["cantonlb.endpoint.answer_age{seq1}"], 60_000)
	delete(got, "cantonlb.endpoint.answer_age{seq1}")
	assert.Equal(t, map[string]float64{
		"cantonlb.endpoint.state{seq1,serving,healthy}":       1, // labels in alphabetical order
		"cantonlb.endpoint.state{seq2,other,unhealthy}":       1,
		"cantonlb.endpoint.eligible{seq1}":                    1,
		"cantonlb.endpoint.eligible{seq2}":                    0,
		"cantonlb.endpoint.in_flight{seq1}":                   2,
		"cantonlb.endpoint.in_flight{seq2}":                   0,
		"cantonlb.endpoint.picks{seq1}":                       7,
		"cantonlb.endpoint.picks{seq2}":                       0,
		"cantonlb.endpoint.failures{seq1}":                    1,
		"cantonlb.endpoint.failures{seq2}":                    0,
		"cantonlb.endpoint.ejections{seq1}":                   3,
		"cantonlb.endpoint.ejections{seq2}":                   0,
		"cantonlb.endpoint.transitions{seq1,,connecting}":     1,
		"cantonlb.endpoint.transitions{seq1,serving,healthy}": 4,
		"cantonlb.probes{seq1,grpc_watch,serving}":            1,
		"cantonlb.probes{seq1,grpc_check,failed}":             9,
		"cantonlb.probe.round_trip{seq1,grpc_check}":          0.0015,
		"cantonlb.endpoints.listed{}":                         2,
		"cantonlb.endpoints.leaving{}":                        0,
		"cantonlb.endpoints.eligible{}":                       1,
		"cantonlb.none_eligible.entries{}":                    4,
		"cantonlb.none_eligible.time{}":                       2.5,
		"cantonlb.list.updates{accepted}":                     5,
		"cantonlb.list.updates{refused}":                      6,
		"cantonlb.config.reloads{accepted}":                   7,
		"cantonlb.config.reloads{refused}":                    8,
		"cantonlb.endpoint.active{seq1}":                      1,
		"cantonlb.endpoint.active{seq2}":                      0,
		"cantonlb.endpoints.multiple_active{}":                2,
		"cantonlb.switches{first_choice}":                     1,
		"cantonlb.switches{not_serving}":                      4,
		"cantonlb.rescues{}":                                  1,
		"cantonlb.retries{}":                                  2,
		"cantonlb.retries_refused{}":                          3,
		"cantonlb.hedges{}":                                   11, "cantonlb.hedges_won{}": 10, "cantonlb.hedges_refused{}": 9,
	}, got)

	require.NoError(t, stop())
	require.NoError(t, stop(), "it may be called again")
	assert.Empty(t, c.collect(t))
}

func TestWhatAClientHasNotIsNotMeasured(t *testing.T) {
	c := newCollector()
	s := &source{full()}
	s.now.Failover, s.now.File = nil, nil
	_, err := otelmetrics.Observe(s, otelmetrics.WithMeterProvider(c))
	require.NoError(t, err)
	got := c.collect(t)
	assert.Contains(t, got, "cantonlb.endpoint.eligible{seq1}")
	for key := range got {
		assert.NotRegexp(t, `active|switches|config`, key)
	}
}

func TestAnEndpointThatLeavesTakesAllItsSeriesWithIt(t *testing.T) {
	c := newCollector()
	s := &source{full()}
	_, err := otelmetrics.Observe(s, otelmetrics.WithMeterProvider(c))
	require.NoError(t, err)
	require.NotEmpty(t, c.collect(t))
	s.now.Endpoints = s.now.Endpoints[1:]
	for key := range c.collect(t) {
		assert.NotContains(t, key, "seq1")
	}
}

func TestSeveralClientsAndAttributes(t *testing.T) {
	c := newCollector()
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(c)
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	for _, target := range []string{"static:///one", "static:///two"} {
		s := &source{full()}
		s.now.Target = target
		_, err := otelmetrics.Observe(s, otelmetrics.WithAttributes(attribute.String("network", "dev")))
		require.NoError(t, err)
	}
	var all metricdata.ResourceMetrics
	require.NoError(t, c.reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	assert.Equal(t, otelmetrics.ScopeName, all.ScopeMetrics[0].Scope.Name)
	targets := map[string]int{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if strings.HasSuffix(m.Name, ".listed") {
			for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
				network, _ := p.Attributes.Value("network")
				target, _ := p.Attributes.Value("grpc.target")
				targets[network.AsString()+" "+target.AsString()]++
			}
		}
	}
	assert.Equal(t, map[string]int{"dev static:///one": 1, "dev static:///two": 1}, maps.Clone(targets))
}
