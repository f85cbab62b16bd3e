package checking

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/report"
)

func serving() Event {
	return Event{Verdict: report.Verdict{Outcome: report.Serving, Reason: report.ReasonServing}}
}

func notServing() Event {
	return Event{Verdict: report.Verdict{Outcome: report.NotServing, Reason: report.ReasonNotServing}}
}

func failed() Event {
	return Event{Verdict: report.Verdict{Outcome: report.Failed, Reason: report.ReasonProbeTimeout, Detail: "no answer"}}
}

func inconclusive() Event {
	return Event{Verdict: report.Verdict{Outcome: report.Inconclusive, Reason: report.ReasonBusy}}
}

func doubt() Event { return Event{Kind: EventDoubt, Reason: report.ReasonSilence} }

func reset() Event { return Event{Kind: EventReset, Reason: report.ReasonConnectionLost} }

func TestHealthGoesFromEachStateWhereTheTableSays(t *testing.T) {
	two := Thresholds{Fall: 2, Rise: 2}
	one := Thresholds{Fall: 1, Rise: 1}
	unknown := Health{State: report.HealthUnknown}
	healthy := Health{State: report.Healthy, Reason: report.ReasonServing}
	suspect := Health{State: report.Suspect, Reason: report.ReasonProbeTimeout, Detail: "no answer", Fails: 1}
	doubted := Health{State: report.Suspect, Reason: report.ReasonSilence}
	unhealthy := Health{State: report.Unhealthy, Reason: report.ReasonNotServing}
	timedOut := Health{State: report.Unhealthy, Reason: report.ReasonProbeTimeout, Detail: "no answer"}
	rising := Health{State: report.Unhealthy, Reason: report.ReasonNotServing, Passes: 1}

	for _, c := range []struct {
		name    string
		from    Health
		event   Event
		t       Thresholds
		to      Health
		effects Effects
	}{
		{"the first success passes alone", unknown, serving(), two, healthy, Effects{Changed: true}},
		{"the first refusal counts alone", unknown, notServing(), two, unhealthy, Effects{Changed: true}},
		{"the first failure counts alone", unknown, failed(), two, timedOut, Effects{Changed: true}},
		{"nothing learnt leaves unknown", unknown, inconclusive(), two, unknown, Effects{}},
		{"doubt needs something to doubt", unknown, doubt(), two, unknown, Effects{}},
		{"a reset of the unknown asks again", unknown, reset(), two, Health{State: report.HealthUnknown, Reason: report.ReasonConnectionLost}, Effects{Changed: true, ProbeNow: true}},

		{"success keeps healthy", healthy, serving(), two, healthy, Effects{}},
		{"the server's own word counts at once", healthy, notServing(), two, unhealthy, Effects{Changed: true}},
		{"the first of two failures makes suspect", healthy, failed(), two, suspect, Effects{Changed: true}},
		{"the only failure needed makes unhealthy", healthy, failed(), one, timedOut, Effects{Changed: true}},
		{"nothing learnt keeps healthy", healthy, inconclusive(), two, healthy, Effects{}},
		{"doubt makes suspect and asks", healthy, doubt(), two, doubted, Effects{Changed: true, ProbeNow: true}},
		{"a reset forgets health", healthy, reset(), two, Health{State: report.HealthUnknown, Reason: report.ReasonConnectionLost}, Effects{Changed: true, ProbeNow: true}},

		{"success clears suspicion", suspect, serving(), two, healthy, Effects{Changed: true}},
		{"a refusal settles suspicion", suspect, notServing(), two, unhealthy, Effects{Changed: true}},
		{"the second of two failures makes unhealthy", suspect, failed(), two, timedOut, Effects{Changed: true}},
		{"the second of three does not", suspect, failed(), Thresholds{Fall: 3, Rise: 1},
			Health{State: report.Suspect, Reason: report.ReasonProbeTimeout, Detail: "no answer", Fails: 2}, Effects{}},
		{"a doubt is not a failure", doubted, failed(), two, suspect, Effects{Changed: true}},
		{"more doubt adds nothing", suspect, doubt(), two, suspect, Effects{}},
		{"nothing learnt keeps suspicion", suspect, inconclusive(), two, suspect, Effects{}},
		{"a reset forgets suspicion", suspect, reset(), two, Health{State: report.HealthUnknown, Reason: report.ReasonConnectionLost}, Effects{Changed: true, ProbeNow: true}},

		{"the first of two successes only counts", unhealthy, serving(), two, rising, Effects{}},
		{"the second of two makes healthy", rising, serving(), two, healthy, Effects{Changed: true}},
		{"the only success needed makes healthy", unhealthy, serving(), one, healthy, Effects{Changed: true}},
		{"a failure starts the count again, for a reason of its own", rising, failed(), two, timedOut, Effects{Changed: true}},
		{"a failure as before is nothing new", timedOut, failed(), two, timedOut, Effects{}},
		{"a refusal is another reason", timedOut, notServing(), two, unhealthy, Effects{Changed: true}},
		{"a refusal starts the count again", rising, notServing(), two, unhealthy, Effects{}},
		{"nothing learnt keeps the count", rising, inconclusive(), two, rising, Effects{}},
		{"doubt says nothing new of the unhealthy", rising, doubt(), two, rising, Effects{}},
		{"a new connection does not make healthy", unhealthy, reset(), two, unhealthy, Effects{ProbeNow: true}},
		{"and takes no pass away", rising, reset(), two, rising, Effects{ProbeNow: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.Next(c.event, c.t)
			assert.Equal(t, c.to, to)
			assert.Equal(t, c.effects, effects)
		})
	}
}

// What must hold for any history: the state machine against the plain words of
// its rules.
func TestHealthHoldsToItsRulesForAnyHistory(t *testing.T) {
	events := map[string]func() Event{
		"serving": serving, "not serving": notServing, "failed": failed,
		"inconclusive": inconclusive, "doubt": doubt, "reset": reset,
	}
	rapid.Check(t, func(t *rapid.T) {
		limits := Thresholds{Fall: rapid.IntRange(1, 4).Draw(t, "fall"), Rise: rapid.IntRange(1, 4).Draw(t, "rise")}
		names := rapid.SliceOfN(rapid.SampledFrom([]string{
			"serving", "not serving", "failed", "inconclusive", "doubt", "reset",
		}), 1, 60).Draw(t, "events")
		var h Health
		failures, successes := 0, 0 // in a row, inconclusive ones not counted
		for _, name := range names {
			before := h
			var effects Effects
			h, effects = h.Next(events[name](), limits)

			switch name {
			case "serving":
				failures, successes = 0, successes+1
			case "failed":
				failures, successes = failures+1, 0
			case "not serving":
				failures, successes = 0, 0
				assert.Equal(t, report.Unhealthy, h.State)
			case "reset":
				failures = 0
				assert.NotContains(t, []report.HealthState{report.Healthy, report.Suspect}, h.State, "after a reset the endpoint is not picked")
			case "inconclusive":
				assert.Equal(t, before, h)
			}
			if before.State == report.Unhealthy && h.State == report.Healthy {
				assert.GreaterOrEqual(t, successes, limits.Rise)
			}
			if before.State != report.HealthUnknown && before.State != report.Unhealthy && h.State == report.Unhealthy && name == "failed" {
				assert.GreaterOrEqual(t, failures, limits.Fall)
			}
			before.Fails, before.Passes = h.Fails, h.Passes // which no one is told
			assert.Equal(t, before != h, effects.Changed)
			assert.Less(t, h.Fails, limits.Fall)
			assert.Less(t, h.Passes, limits.Rise)
			assert.True(t, h.Fails == 0 || h.State == report.Suspect)
			assert.True(t, h.Passes == 0 || h.State == report.Unhealthy)
		}
	})
}
