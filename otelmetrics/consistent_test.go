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

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/report"
)

// counts holds how often each endpoint entered each state for each reason, how often it
// became the active endpoint, how often no endpoint was eligible, and so on.
type counts map[string]float64

func (c counts) add(kind report.EventKind, endpoint, to, reason string) {
	switch kind {
	case report.EventEndpoint:
		c[fmt.Sprintf("%s -> %s (%s)", endpoint, to, reason)]++
	case report.EventSwitch:
		c[fmt.Sprintf("switch (%s)", reason)]++
	default:
		c[to]++
	}
}

// counted returns the counts of events that have a counter. The ends of conditions have
// none, and the effect of a command may have a gauge.
func (c counts) counted() counts {
	out := maps.Clone(c)
	for _, to := range []string{"eligible", "pinned", "unpinned", "multiple_active", "one_active"} {
		delete(out, to)
	}
	return out
}

// without returns the counts that are not about an endpoint.
func (c counts) without(endpoint string) counts {
	out := maps.Clone(c)
	maps.DeleteFunc(out, func(key string, _ float64) bool { return strings.HasPrefix(key, endpoint+" ") })
	return out
}

func inEvents(events []report.Event) counts {
	out := counts{}
	for _, e := range events {
		out.add(e.Kind, e.Endpoint, string(e.To), string(e.Reason))
	}
	return out
}

func inLog(t *testing.T, text string) (out counts, numbers []uint64) {
	t.Helper()
	out = counts{}
	for line := range strings.Lines(text) {
		var l struct {
			Number   uint64 `json:"number"`
			Endpoint string `json:"endpoint"`
			Switch   uint64 `json:"switch"`
			To       string `json:"to"`
			Reason   string `json:"reason"`
			Omitted  int    `json:"omitted"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.Zero(t, l.Omitted)
		numbers = append(numbers, l.Number)
		kind := report.EventKind("other")
		switch {
		case l.Switch > 0:
			kind = report.EventSwitch
		case l.Endpoint != "" && !strings.HasSuffix(l.To, "pinned"):
			kind = report.EventEndpoint
		}
		out.add(kind, l.Endpoint, l.To, l.Reason)
	}
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
		case name == "cantonlb.switches":
			out[fmt.Sprintf("switch (%s)", l[0])] = value
		case name == "cantonlb.none_eligible.entries":
			out["none_eligible"] = value
		case name == "cantonlb.list.updates":
			out[l[0]] = value
		}
	}
	return out
}

func inStatus(s report.Status) counts {
	out := counts{"accepted": float64(s.Totals.ListsAccepted), "none_eligible": float64(s.Totals.NoneEligible)}
	for _, e := range s.Endpoints {
		for _, x := range e.Transitions {
			out[fmt.Sprintf("%s -> %s (%s)", e.Name, x.To, x.Reason)] = float64(x.Count)
		}
	}
	if s.Failover != nil {
		for reason, n := range s.Failover.Reasons {
			out[fmt.Sprintf("switch (%s)", reason)] = float64(n)
		}
	}
	return out
}

// watched is a client of a cluster of four, whose log, metrics and events are recorded.
type watched struct {
	*cantonlb.Client

	cluster            *lbtest.Cluster
	endpoints          []cantonlb.Endpoint
	text               bytes.Buffer // one goroutine writes, and the test reads after Wait
	recorded, observed collector
}

func watch(t *testing.T, policy cantonlb.Policy) *watched {
	t.Helper()
	w := &watched{cluster: lbtest.NewCluster(t, 4, lbtest.RegisterEcho), recorded: newCollector(), observed: newCollector()}
	for i, name := range w.cluster.Names() {
		w.endpoints = append(w.endpoints, cantonlb.Endpoint{Name: name, Address: w.cluster.Addrs()[i]})
	}
	var err error
	w.Client, err = cantonlb.NewClient(cantonlb.Config{
		Name: "faulty", Endpoints: w.endpoints, Policy: policy,
		Logger: slog.New(slog.NewJSONHandler(&w.text, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, append(w.cluster.DialOptions(), w.recorded.plugin())...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	stop, err := otelmetrics.Observe(w, otelmetrics.WithMeterProvider(w.observed))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, stop()) })
	require.NoError(t, w.WaitHealthy(t.Context(), 4))
	return w
}

// play runs the acts one after the other.
func (*watched) play(script []func()) {
	for _, act := range script {
		act()
		time.Sleep(30 * time.Second)
		synctest.Wait()
	}
}

// serve sets whether servers report that they serve.
func (w *watched) serve(serving bool, servers ...int) {
	for _, i := range servers {
		w.cluster.SetServing(i, "", serving)
	}
}

// agree compares the log, both ways of metrics, the events and the status: each reports
// each change once, with the same state and reason. It returns the counts.
func (w *watched) agree(t *testing.T) counts {
	t.Helper()
	events := inEvents(w.Events())
	log, numbers := inLog(t, w.text.String())
	for i, n := range numbers {
		assert.Equal(t, uint64(i+1), n, "each event has one line")
	}
	assert.Len(t, numbers, len(w.Events()))
	assert.Equal(t, events, log)
	assert.Equal(t, events.counted(), inMetrics(w.recorded.collect(t)))
	assert.Equal(t, events.counted().without("server3"), inMetrics(w.observed.collect(t)))
	assert.Equal(t, events.counted().without("server3"), inStatus(w.Status()))
	last := map[string]report.Event{}
	for _, e := range w.Events() {
		if e.Kind == report.EventEndpoint {
			last[e.Endpoint] = e
		}
	}
	for _, e := range w.Status().Endpoints {
		assert.Equal(t, last[e.Name].To, e.State)
		assert.Equal(t, last[e.Name].Reason, e.Reason)
		assert.Equal(t, last[e.Name].At, e.Since)
	}
	sameCounts(t, w.recorded.collect(t), w.observed.collect(t))
	return events
}

// Whatever happens, the log, both ways of metrics, the events and the status report it
// alike: each transition once, with the same state and reason.
func TestAFaultIsTheSameInLogMetricsEventsAndStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, cantonlb.HealthyRoundRobin)
		w.play([]func(){
			func() { w.cluster.Hang(0) },
			func() { w.cluster.Resume(0) },
			func() { w.serve(false, 1) },
			func() { w.serve(true, 1) },
			func() { w.cluster.Kill(2) },
			func() { w.cluster.Restart(2) },
			func() { assert.NoError(t, w.Drain("server0")) },
			func() { assert.NoError(t, w.Undrain("server0")) },
			func() { // enough calls fail to eject one
				w.cluster.FailCalls(1, codes.Unavailable, "no")
				for range 40 {
					_, _ = lbtest.ServedBy(t.Context(), w) // some fail
				}
				w.cluster.FailCalls(1, codes.OK, "")
				for range 40 {
					_, _ = lbtest.ServedBy(t.Context(), w)
					time.Sleep(100 * time.Millisecond)
				}
			},
			func() { w.serve(false, 0, 1, 2, 3) }, // none is left
			func() { w.serve(true, 0, 1, 2, 3) },
			func() { assert.NoError(t, w.Update(w.endpoints[:3])) },
		})
		events := w.agree(t)
		for _, key := range []string{
			"server0 -> unhealthy (probe_timeout)", "server1 -> unhealthy (not_serving)", "server1 -> ejected (calls_failing)",
			"server2 -> connecting (connection_lost)", "server0 -> drained (drained)", "server3 -> removed ()", "none_eligible",
		} {
			assert.Positive(t, events[key], "the script has brought about %s", key)
		}
	})
}

// The same applies to takeovers.
func TestATakeoverIsTheSameInLogMetricsEventsAndStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, cantonlb.ActivePassive)
		w.play([]func(){
			func() { w.serve(false, 1, 2, 3) },
			func() { w.serve(false, 0); w.serve(true, 1) },
			func() { w.cluster.Hang(1); w.serve(true, 2) },
			// The third one is killed, and none is left for a while.
			func() { w.cluster.Kill(2) },
			func() { w.serve(true, 0) },
			// Now several report that they serve, and a command moves the active endpoint.
			func() { w.cluster.Resume(1); w.cluster.Restart(2) },
			func() { assert.NoError(t, w.Switch(t.Context(), "server1")) },
			func() { assert.NoError(t, w.Pin("server2")) },
			func() { assert.NoError(t, w.Unpin()) },
			func() { assert.NoError(t, w.Drain("server2")) },
			func() { assert.NoError(t, w.Undrain("server2")) },
			// A pin prevents a takeover.
			func() { assert.NoError(t, w.Pin("server1")); w.serve(false, 1) },
			func() { w.serve(true, 1); w.serve(false, 0, 2, 3) },
			func() { assert.NoError(t, w.Update(w.endpoints[:3])) },
			// In the end a standby is eligible too.
			func() { w.serve(true, 0) },
		})
		events := w.agree(t)
		assert.Empty(t, w.Status().NoneEligibleSince)
		for _, key := range []string{
			"switch (first_choice)", "switch (not_serving)", "switch (probe_timeout)", "switch (connect_failed)", "switch (by_hand)",
			"switch (pinned)", "switch (drained)", "pinned", "unpinned", "multiple_active", "one_active", "none_eligible", "server3 -> removed ()",
		} {
			assert.Positive(t, events[key], "the script has brought about %s", key)
		}
		active := w.Status().Failover.Active
		for _, way := range []collector{w.recorded, w.observed} {
			series := way.collect(t)
			for _, name := range []string{"server0", "server1", "server2"} {
				assert.Equal(t, name == active, series["cantonlb.endpoint.active{"+name+"}"] == 1, name)
			}
			assert.InDelta(t, 2, series["cantonlb.endpoints.multiple_active{}"], 0)
			assert.InDelta(t, 2, series["cantonlb.endpoints.eligible{}"], 0)
		}
		var switches []report.Event
		for _, e := range w.Events() {
			if e.Kind == report.EventSwitch {
				switches = append(switches, e)
				assert.EqualValues(t, len(switches), e.Switch.Number)
			}
		}
		assert.EqualValues(t, len(switches), w.Status().Failover.Switches)
		assert.Equal(t, switches[len(switches)-1].Endpoint, active)
	})
}

// sameCounts compares both ways: they do not read at the same moment, but nothing
// changes here.
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
