package explain_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/report"
)

func TestNotesTellWhatIsNotAsOneMightExpect(t *testing.T) {
	on := report.ProbeStatus{On: true}
	for _, c := range []struct {
		name    string
		remarks explain.Remarks
		status  report.Status
		want    string
	}{
		{"nothing", explain.Remarks{}, report.Status{Endpoints: []report.EndpointStatus{{Probe: on}}}, ""},
		{
			"unchecked", explain.Remarks{}, report.Status{Endpoints: []report.EndpointStatus{{Probe: on}, {}}},
			"health checking is disabled: every endpoint that is connected counts as healthy",
		},
		{
			"no health service", explain.Remarks{}, report.Status{Endpoints: []report.EndpointStatus{
				{Name: "a", Probe: on, State: report.StateHealthy, Health: report.Healthy, Reason: report.ReasonUnimplemented},
				{Name: "b", Probe: on, State: report.StateHealthy, Health: report.Healthy, Reason: report.ReasonServing},
			}},
			"no health service: of a only the connection is checked. Probe another port or an HTTP page, or set onUnimplemented to unhealthy",
		},
		{
			"fail open", explain.Remarks{}, report.Status{Endpoints: []report.EndpointStatus{{Probe: on, FailOpen: true}, {Probe: on}}},
			"no endpoint is eligible: calls go to 1 of them all the same (failOpen)",
		},
		{
			"multiple", explain.Remarks{}, report.Status{Failover: &report.FailoverStatus{Multiple: []string{"a", "b\n"}}},
			"several endpoints say that they serve, of which one at a time should: a, b ",
		},
		{"stretched", explain.Remarks{Stretched: true}, report.Status{}, "the probes exceed their budget: they are made less often than configured"},
		{"elsewhere", explain.Remarks{}, report.Status{Zone: "eu"}, `no endpoint of the list is in zone "eu": zones do not matter`},
		{
			"spilled", explain.Remarks{Local: 1}, report.Status{Zone: "eu", Spilled: true},
			`too few endpoints of zone "eu" are eligible: calls go to all zones`,
		},
		{"bad list", explain.Remarks{ListError: errors.New("no\ngood")}, report.Status{}, "the newest list is not in effect: no good"},
	} {
		got := c.remarks.Notes(c.status)
		if c.want == "" {
			assert.Empty(t, got, c.name)
		} else {
			assert.Equal(t, []string{c.want}, got, c.name)
		}
	}
}
