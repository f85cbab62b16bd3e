package endpointset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

func TestEveryMetricOfTheRecorderIsRegistered(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range metric.All() {
		assert.False(t, seen[d.Name], d.Name)
		seen[d.Name] = true
		got := stats.DescriptorForMetric(d.Name)
		if d.Only == metric.Collector {
			assert.Nil(t, got, d.Name)
			continue
		}
		require.NotNil(t, got, d.Name)
		want := stats.MetricTypeIntCount
		switch {
		case d.Kind == metric.Gauge:
			want = stats.MetricTypeIntAsyncGauge
		case d.Kind == metric.Histogram:
			want = stats.MetricTypeFloatHisto
		case d.Float:
			want = stats.MetricTypeFloatCount
		}
		assert.Equal(t, want, got.Type, d.Name)
		assert.True(t, got.Default, d.Name)
		assert.Equal(t, append([]string{metric.Target}, d.Labels...), got.Labels, d.Name)
	}
}

func TestTheRecorderIsToldWhatIs(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b")
		f.server("b").set(notServing())
		synctest.Wait()
		time.Sleep(100 * time.Millisecond) // between two probes
		r, err := f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		got := f.recorder.gauges()
		age := got["cantonlb.endpoint.answer_age{a}"]
		assert.GreaterOrEqual(t, age, 100.0)
		delete(got, "cantonlb.endpoint.answer_age{a}")
		delete(got, "cantonlb.endpoint.answer_age{b}")
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.state{a,healthy,serving}":       1,
			"cantonlb.endpoint.state{b,unhealthy,not_serving}": 1,
			"cantonlb.endpoint.state{c,connecting,}":           1,
			"cantonlb.endpoint.eligible{a}":                    1,
			"cantonlb.endpoint.eligible{b}":                    0,
			"cantonlb.endpoint.eligible{c}":                    0,
			"cantonlb.endpoint.in_flight{a}":                   1,
			"cantonlb.endpoint.in_flight{b}":                   0,
			"cantonlb.endpoint.in_flight{c}":                   0,
			"cantonlb.endpoints.listed{}":                      3,
			"cantonlb.endpoints.leaving{}":                     0,
			"cantonlb.endpoints.eligible{}":                    1,
		}, got)
		r.Done(balancer.DoneInfo{BytesReceived: true})

		require.NoError(t, f.push("a"))
		synctest.Wait()
		for key := range f.recorder.gauges() {
			assert.NotRegexp(t, `\{[bc]`, key, "the gauges of an endpoint that is removed vanish")
		}
	})
}

func TestTheRecorderIsToldWhatHasHappened(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		for range 2 * defaultConsecutiveFailures { // every other call is a's
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			if r.SubConn == f.conn("a") {
				r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
			} else {
				r.Done(balancer.DoneInfo{BytesReceived: true})
			}
		}
		synctest.Wait()
		f.server("b").set(notServing())
		synctest.Wait()
		time.Sleep(2 * time.Second)
		_ = f.push() // an empty list
		synctest.Wait()
		f.recorder.gauges()
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.picks{a}":     defaultConsecutiveFailures,
			"cantonlb.endpoint.picks{b}":     defaultConsecutiveFailures,
			"cantonlb.endpoint.failures{a}":  defaultConsecutiveFailures,
			"cantonlb.endpoint.ejections{a}": 1,
		}, f.recorder.counts("cantonlb.endpoint.picks", "cantonlb.endpoint.failures", "cantonlb.endpoint.ejections"))
		assert.Equal(t, f.recorder.counts("cantonlb.endpoint.transitions"), countEvents(f.set.teller.Events()))
		assert.Equal(t, map[string]float64{"cantonlb.list.updates{accepted}": 2, "cantonlb.list.updates{refused}": 0}, f.recorder.counts("cantonlb.list.updates"))
	})
}

func TestTheRecorderIsToldWhoIsTheActive(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		of := func(all map[string]float64, names ...string) map[string]float64 {
			out := map[string]float64{}
			for key, value := range all {
				if name, _, _ := strings.Cut(key, "{"); slices.Contains(names, name) {
					out[key] = value
				}
			}
			return out
		}
		gauges := func() map[string]float64 {
			return of(f.recorder.gauges(), "cantonlb.endpoint.active", "cantonlb.endpoints.multiple_active")
		}
		require.NoError(t, f.push("a", "b"))
		f.server("b").set(notServing())
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.active{a}": 0, "cantonlb.endpoint.active{b}": 0, "cantonlb.endpoints.multiple_active{}": 0,
		}, gauges(), "nobody is")
		f.up("a", "b")
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.active{a}": 1, "cantonlb.endpoint.active{b}": 0, "cantonlb.endpoints.multiple_active{}": 0,
		}, gauges())
		f.server("b").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.active{a}": 1, "cantonlb.endpoint.active{b}": 0, "cantonlb.endpoints.multiple_active{}": 2,
		}, gauges())
		f.server("a").set(notServing())
		synctest.Wait()
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.active{a}": 0, "cantonlb.endpoint.active{b}": 1, "cantonlb.endpoints.multiple_active{}": 0,
		}, gauges())
		f.server("a").set(serving())
		time.Sleep(time.Second)
		require.NoError(t, f.set.SwitchTo("a"))
		require.NoError(t, f.set.SwitchTo("b"))
		synctest.Wait()
		assert.Equal(t, map[string]float64{
			"cantonlb.switches{first_choice}": 1, "cantonlb.switches{not_serving}": 1, "cantonlb.switches{by_hand}": 2,
		}, f.recorder.counts("cantonlb.switches"))
		failover := f.set.Status().Failover
		assert.Equal(t, map[report.Reason]uint64{"first_choice": 1, "not_serving": 1, "by_hand": 2}, failover.Reasons)
		assert.EqualValues(t, 4, failover.Switches)
		failover.Reasons["by_hand"] = 9
		assert.EqualValues(t, 2, f.set.Status().Failover.Reasons["by_hand"], "a status is a copy")
	}, activePassive)
}

// A probe func of the program may give any reason: as a label it is "other".
func TestTheReasonOfASwitchIsBoundedInMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		e := f.set.byName["a"]
		e.checker.Report(report.KindGRPCCheck, checking.NewVerdict(report.NotServing, "message 1", ""))
		synctest.Wait()
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "b"}}, f.switches())
		assert.Equal(t, map[string]float64{
			"cantonlb.switches{first_choice}": 1, "cantonlb.switches{other}": 1,
		}, f.recorder.counts("cantonlb.switches"))
		assert.Equal(t, map[report.Reason]uint64{"first_choice": 1, "other": 1}, f.set.Status().Failover.Reasons)
	}, activePassive)
}

// While calls are answered and a Watch is alive no Check is made, and yet the
// endpoint is heard.
func TestAnEndpointIsHeardByItsCallsToo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		for range 100 {
			_, err := f.pick()
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond)
			assert.Less(t, f.recorder.gauges()["cantonlb.endpoint.answer_age{a}"], 500.0)
		}
		assert.Greater(t, time.Since(f.status("a").Probe.Answered), 5*time.Second)
		f.server("a").set(hanging())
		time.Sleep(10 * time.Second)
		assert.Greater(t, f.recorder.gauges()["cantonlb.endpoint.answer_age{a}"], 9500.0)
	})
}

// countEvents counts the transitions of endpoints as the metric does.
func countEvents(events []report.Event) map[string]float64 {
	out := map[string]float64{}
	for _, e := range events {
		if e.Kind == report.EventEndpoint {
			out[fmt.Sprintf("cantonlb.endpoint.transitions{%s,%s,%s}", e.Endpoint, e.To, e.Reason)]++
		}
	}
	return out
}

func TestTheTimeWithNobodyEligibleIsCountedAsItPasses(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.server("a").set(notServing())
		synctest.Wait()
		for i := range 3 {
			time.Sleep(10 * time.Second)
			f.recorder.gauges()
			assert.InDelta(t, 10*float64(i+1), f.recorder.counts("cantonlb.none_eligible.time")["cantonlb.none_eligible.time{}"], 0.001)
		}
		f.server("a").set(serving())
		time.Sleep(time.Minute)
		f.recorder.gauges()
		total := f.set.Status().Totals
		assert.Equal(t, uint64(1), total.NoneEligible)
		assert.InDelta(t, total.NoneEligibleTime.Seconds(), f.recorder.counts("cantonlb.none_eligible.time")["cantonlb.none_eligible.time{}"], 0.001)
		assert.Less(t, total.NoneEligibleTime, 35*time.Second)
		assert.Equal(t, map[string]float64{"cantonlb.none_eligible.entries{}": 1}, f.recorder.counts("cantonlb.none_eligible.entries"))
	})
}

func TestARecorderThatNeverAsksHasTheCountsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.picked()
		time.Sleep(2 * time.Second) // the sampler has looked
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.picks{a}": 30, "cantonlb.endpoint.picks{b}": 30,
		}, f.recorder.counts("cantonlb.endpoint.picks"))
		f.picked()
		require.NoError(t, f.push("a")) // b is gone, and what it has counted is recorded
		f.picked()
		f.close()
		assert.Equal(t, map[string]float64{
			"cantonlb.endpoint.picks{a}": 120, "cantonlb.endpoint.picks{b}": 60,
		}, f.recorder.counts("cantonlb.endpoint.picks"))
		assert.Empty(t, f.recorder.gauges(), "a set that is closed is not asked any more")
	})
}

// A pick of an endpoint that has just turned bad is taken back. Whoever looks in
// between must not see the counter go back later: it would be taken for a new one.
func TestPicksThatAreTakenBackDoNotMakeTheirCounterGoBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.picked()
		before := f.status("a").Calls
		require.Equal(t, uint64(30), before.Picked)
		f.server("a").set(notServing())
		synctest.Wait()
		look := func() (report.EndpointStatus, []telling.EndpointProgress) {
			f.set.scope.Lock()
			defer f.set.scope.Unlock()
			return f.set.byName["a"].statusLocked(), f.set.books.progress(time.Now()).Endpoints
		}
		look()

		c := f.set.byName["a"].conn
		require.False(t, c.Step())
		during, _ := look()
		c.StepBack()
		after, grown := look()
		assert.GreaterOrEqual(t, after.Calls.Picked, during.Calls.Picked)
		assert.Zero(t, after.Calls.InFlight)
		assert.Empty(t, grown, "what the recorder is told is never less than nothing")
	})
}

func TestACallThatFailsAfterItsEndpointHasLeftIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		r, err := f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		require.NoError(t, f.push("b"))
		f.up("b")
		r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
		time.Sleep(time.Second)
		assert.Equal(t, map[string]float64{"cantonlb.endpoint.failures{a}": 1}, f.recorder.counts("cantonlb.endpoint.failures"))
	})
}

func TestVerdictsAreCountedByKindAndResult(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.server("a").set(hanging())
		time.Sleep(10 * time.Second)
		f.down(errors.New("reset"), "a")
		var sum uint64
		for _, v := range f.status("a").Probe.Verdicts {
			key := fmt.Sprintf("cantonlb.probes{a,%s,%s}", v.Kind, v.Outcome)
			assert.InDelta(t, float64(v.Count), f.recorder.counts("cantonlb.probes")[key], 0, key)
			sum += v.Count
		}
		assert.Greater(t, sum, uint64(5))
		assert.Len(t, f.recorder.counts("cantonlb.probes"), len(f.status("a").Probe.Verdicts))
		for key := range f.recorder.counts("cantonlb.probe.duration") {
			assert.Contains(t, []string{"cantonlb.probe.duration{a,grpc_check}", "cantonlb.probe.duration{a,grpc_watch}"}, key)
		}
	})
}

// A peer may say what it likes: labels are of this module's making.
func TestLabelsStayBoundedWhateverAPeerSays(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		for i := range 10_000 {
			f.set.scope.Lock()
			e := f.set.byName["a"]
			f.set.scope.Unlock()
			text := fmt.Sprintf("message %d", i)
			e.checker.Report(report.KindGRPCCheck, checking.NewVerdict(report.NotServing, report.Reason(text), text))
			for range f.cfg.HealthCheck.Rise {
				e.checker.Report(report.KindGRPCCheck, checking.NewVerdict(report.Serving, report.ReasonServing, text))
			}
		}
		synctest.Wait()
		f.recorder.gauges()
		assert.Less(t, len(f.recorder.counts("cantonlb.endpoint.transitions")), 12)
		assert.InDelta(t, 10_000, f.recorder.counts("cantonlb.endpoint.transitions")["cantonlb.endpoint.transitions{a,unhealthy,other}"], 0)
		assert.Less(t, len(f.recorder.counts("cantonlb.probes")), 12)
		assert.Less(t, len(f.status("a").Transitions), 12)
	})
}

func TestPicksAllocateNothingWithMetricsAndLog(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.pushLogged(newLogBook(-8), "a", "b", "c")
		f.up("a", "b", "c")
		picker, info, done := f.last().Picker, pickInfo(), balancer.DoneInfo{BytesSent: true, BytesReceived: true}
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			r, err := picker.Pick(info)
			if err != nil {
				panic(err)
			}
			r.Done(done)
		}))
	})
}
