package otelmetrics_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats/opentelemetry"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/otelmetrics"
)

// counts is how often each endpoint came into which state for which reason, and
// how often nobody was eligible and lists were taken in.
type counts map[string]float64

func (c counts) add(kind, endpoint, to, reason string) {
	switch kind {
	case "endpoint":
		c[fmt.Sprintf("%s -> %s (%s)", endpoint, to, reason)]++
	default:
		c[to]++
	}
}

// without gives the counts that are not about an endpoint.
func (c counts) without(endpoint string) counts {
	out := maps.Clone(c)
	maps.DeleteFunc(out, func(key string, _ float64) bool { return strings.HasPrefix(key, endpoint+" ") })
	return out
}

func inEvents(events []cantonlb.Event) counts {
	out := counts{}
	for _, e := range events {
		out.add(string(e.Kind), e.Endpoint, string(e.To), string(e.Reason))
	}
	delete(out, "eligible") // the end of having none has no counter
	return out
}

func inLog(t *testing.T, text string) (out counts, numbers []uint64) {
	t.Helper()
	out = counts{}
	for line := range strings.Lines(text) {
		var l struct {
			Number   uint64 `json:"number"`
			Endpoint string `json:"endpoint"`
			To       string `json:"to"`
			Reason   string `json:"reason"`
			Omitted  int    `json:"omitted"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.Zero(t, l.Omitted)
		numbers = append(numbers, l.Number)
		kind := "endpoint"
		if l.Endpoint == "" {
			kind = "other"
		}
		out.add(kind, l.Endpoint, l.To, l.Reason)
	}
	delete(out, "eligible")
	return out, numbers
}

func inMetrics(series map[string]float64) counts {
	out := counts{}
	for key, value := range series {
		name, labels, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
		l := strings.Split(labels, ",")
		switch {
		case value == 0:
		case name == "cantonlb.endpoint.transitions": // endpoint, reason, state: in alphabetical order
			out[fmt.Sprintf("%s -> %s (%s)", l[0], l[2], l[1])] = value
		case name == "cantonlb.none_eligible.entries":
			out["none_eligible"] = value
		case name == "cantonlb.list.updates":
			out[l[0]] = value
		}
	}
	return out
}

func inStatus(s cantonlb.Status) counts {
	out := counts{"accepted": float64(s.Totals.ListsAccepted), "none_eligible": float64(s.Totals.NoneEligible)}
	for _, e := range s.Endpoints {
		for _, x := range e.Transitions {
			out[fmt.Sprintf("%s -> %s (%s)", e.Name, x.To, x.Reason)] = float64(x.Count)
		}
	}
	return out
}

// Whatever happens, the log, both ways of metrics, the events and the status tell
// the same of it: each transition once, with the same state and reason.
func TestAFaultIsTheSameInLogMetricsEventsAndStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		var endpoints []cantonlb.Endpoint
		for i, name := range cluster.Names() {
			endpoints = append(endpoints, cantonlb.Endpoint{Name: name, Address: cluster.Addrs()[i]})
		}
		var text bytes.Buffer // one goroutine writes, and the test reads after Wait
		recorded, observed := newCollector(), newCollector()
		plugin := opentelemetry.DialOption(opentelemetry.Options{MetricsOptions: opentelemetry.MetricsOptions{MeterProvider: recorded}})
		client, err := cantonlb.NewClient(cantonlb.Config{
			Name: "faulty", Endpoints: endpoints,
			Logger: slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}, append(cluster.DialOptions(), plugin)...)
		require.NoError(t, err)
		defer client.Close()
		stop, err := otelmetrics.Observe(client, otelmetrics.WithMeterProvider(observed))
		require.NoError(t, err)
		require.NoError(t, client.WaitHealthy(t.Context(), 4))

		script := []func(){
			func() { cluster.Hang(0) },
			func() { cluster.Resume(0) },
			func() { cluster.SetServing(1, "", false) },
			func() { cluster.SetServing(1, "", true) },
			func() { cluster.Kill(2) },
			func() { cluster.Restart(2) },
			func() { assert.NoError(t, client.Drain("server0")) },
			func() { assert.NoError(t, client.Undrain("server0")) },
			func() { // enough calls fail to eject one
				cluster.FailCalls(1, codes.Unavailable, "no")
				for range 40 {
					_, _ = lbtest.ServedBy(t.Context(), client) // some fail
				}
				cluster.FailCalls(1, codes.OK, "")
				for range 40 {
					_, _ = lbtest.ServedBy(t.Context(), client)
					time.Sleep(100 * time.Millisecond)
				}
			},
			func() { // nobody is left
				for i := range 4 {
					cluster.SetServing(i, "", false)
				}
			},
			func() {
				for i := range 4 {
					cluster.SetServing(i, "", true)
				}
			},
			func() { assert.NoError(t, client.Update(endpoints[:3])) },
		}
		for _, act := range script {
			act()
			time.Sleep(30 * time.Second)
			synctest.Wait()
		}

		events := inEvents(client.Events())
		log, numbers := inLog(t, text.String())
		for i, n := range numbers {
			assert.Equal(t, uint64(i+1), n, "each event has one line")
		}
		assert.Len(t, numbers, len(client.Events()))
		assert.Equal(t, events, log)
		assert.Equal(t, events, inMetrics(recorded.collect(t)))
		assert.Equal(t, events.without("server3"), inMetrics(observed.collect(t)))
		assert.Equal(t, events.without("server3"), inStatus(client.Status()))
		for _, key := range []string{
			"server0 -> unhealthy (probe_timeout)", "server1 -> unhealthy (not_serving)", "server1 -> ejected (calls_failing)",
			"server2 -> connecting (connection_lost)", "server0 -> drained (drained)", "server3 -> removed ()", "none_eligible",
		} {
			assert.Positive(t, events[key], "the script has brought about %s", key)
		}
		last := map[string]cantonlb.Event{}
		for _, e := range client.Events() {
			last[e.Endpoint] = e
		}
		for _, e := range client.Status().Endpoints {
			assert.Equal(t, last[e.Name].To, e.State)
			assert.Equal(t, last[e.Name].Reason, e.Reason)
			assert.Equal(t, last[e.Name].At, e.Since)
		}
		sameCounts(t, recorded.collect(t), observed.collect(t))
		require.NoError(t, stop())
	})
}

// sameCounts compares what both ways have: they do not look at the same moment,
// but nothing moves here.
func sameCounts(t *testing.T, recorded, observed map[string]float64) {
	t.Helper()
	compared := 0
	for key, value := range recorded {
		name, _, _ := strings.Cut(key, "{")
		if strings.Contains(key, "server3") || name == "cantonlb.probe.duration" {
			continue
		}
		assert.InDelta(t, observed[key], value, 1e-6, key)
		compared++
	}
	assert.Greater(t, compared, 40)
}
