package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

func TestAnEventIsOneLine(t *testing.T) {
	for want, e := range map[string]report.Event{
		`endpoint "seq1": healthy -> unhealthy (not_serving: in repair) after 12s`: {
			Kind: report.EventEndpoint, Endpoint: "seq1", From: report.StateHealthy, To: report.StateUnhealthy,
			Reason: report.ReasonNotServing, Detail: "in repair", Held: 12 * time.Second,
		},
		`endpoint "a\nb": connecting`:                         {Kind: report.EventEndpoint, Endpoint: "a\nb", To: report.StateConnecting},
		`none_eligible: eligible after 1.5s`:                  {Kind: report.EventNoneEligible, To: report.SomeEligible, Held: 1500*time.Millisecond + 1},
		`list: refused (no endpoints)`:                        {Kind: report.EventList, To: report.ListRefused, Detail: "no endpoints"},
		`switch 1: "a" is the active endpoint (first_choice)`: {Kind: report.EventSwitch, Reason: report.ReasonFirstChoice, Switch: report.Switch{Number: 1, To: "a"}},
		`switch 2: "a" -> "b" (not_serving)`:                  {Kind: report.EventSwitch, Reason: report.ReasonNotServing, Switch: report.Switch{Number: 2, From: "a", To: "b"}},
		`handover: held -> ended after 1m0s`: {
			Kind: report.EventHandover, From: report.HandoverHeld, To: report.HandoverEnded, Held: time.Minute,
		},
		`endpoint "a": pinned`:                                  {Kind: report.EventPin, Endpoint: "a", To: report.Pinned},
		`multiple_active: multiple_active (multiple_active: a)`: {Kind: report.EventMultipleActive, To: report.MultipleActive, Reason: report.ReasonMultipleActive, Detail: "a"},
	} {
		assert.Equal(t, want, e.String())
		line, err := e.AppendText([]byte("p: "))
		require.NoError(t, err)
		assert.Equal(t, "p: "+want, string(line))
	}
	assert.Equal(t, `switch 2: "a" -> "b" (by_hand)`, report.Switch{Number: 2, From: "a", To: "b", Reason: report.ReasonByHand}.String())
}

func TestAHealthTransitionIsOneLine(t *testing.T) {
	transition := report.HealthTransition{
		Target: "db1", From: report.Healthy, To: report.Suspect, Reason: report.ReasonProbeTimeout, Held: 12 * time.Second,
	}
	assert.Equal(t, `"db1": healthy -> suspect (probe_timeout) after 12s`, transition.String())
}

func TestAStatusIsOneLine(t *testing.T) {
	a := report.EndpointStatus{Name: "a", Eligible: true, State: report.StateHealthy, Connection: connectivity.Ready}
	b := report.EndpointStatus{Name: "b", State: report.StateConnecting, Connection: connectivity.TransientFailure, ConnectionError: "refused"}
	c := report.EndpointStatus{Name: "c", State: report.StateUnhealthy, Reason: report.ReasonNotServing, Detail: "x", ConnectionError: "y"}
	for want, s := range map[string]report.Status{
		`0 of 0 endpoints eligible, channel IDLE`: {},
		`1 of 3 endpoints eligible, p, channel READY: "a" healthy, "b" connecting (refused), "c" unhealthy (not_serving: x)`: {
			Policy: "p", State: connectivity.Ready, Endpoints: []report.EndpointStatus{a, b, c},
		},
		`0 of 0 endpoints eligible, channel IDLE, active "a"`:                       {Failover: &report.FailoverStatus{Active: "a"}},
		`0 of 0 endpoints eligible, channel IDLE, no active endpoint (not_serving)`: {Failover: &report.FailoverStatus{Lost: report.ReasonNotServing}},
		`0 of 0 endpoints eligible, channel IDLE, no active endpoint`:               {Failover: &report.FailoverStatus{}},
	} {
		assert.Equal(t, want, s.String())
		assert.Equal(t, want, fmt.Sprint(s))
	}
	many := report.Status{Endpoints: make([]report.EndpointStatus, 5000)}
	assert.True(t, strings.HasSuffix(many.String(), `"" unknown, "" unknown and 4992 more`), many.String())
}

func TestAnEndpointIsFoundByItsName(t *testing.T) {
	s := report.Status{Endpoints: []report.EndpointStatus{{Name: "a"}, {Name: "b", Eligible: true, Weight: 7}}}
	b, ok := s.Endpoint("b")
	assert.True(t, ok)
	assert.Equal(t, 7, b.Weight)
	_, ok = s.Endpoint("c")
	assert.False(t, ok)
	assert.Equal(t, 1, s.Eligible())
}

func TestAnOutcomeThatIsNoneOfOursIsInconclusive(t *testing.T) {
	for _, o := range []report.Outcome{report.Serving, report.NotServing, report.Failed, report.Inconclusive} {
		assert.Equal(t, o, o.Bounded())
	}
	assert.Equal(t, report.Inconclusive, report.Outcome("").Bounded())
	assert.Equal(t, report.Inconclusive, report.Outcome("what a probe said").Bounded())
}

func TestAStatusCountsThoseThatLeftTheListAndAreStillPicked(t *testing.T) {
	s := report.Status{
		Policy: "p", Handover: new(report.HandoverStatus), Endpoints: []report.EndpointStatus{{Name: "b", State: report.StateUnhealthy}},
		Leaving: []report.EndpointStatus{{Name: "a", Eligible: true}, {Name: "c"}},
	}
	assert.Equal(t, 1, s.StillPicked())
	assert.Zero(t, s.Eligible())
	assert.Equal(t, `0 of 1 endpoints eligible, p, channel IDLE, 1 that left the list still picked: "b" unhealthy`, s.String())
}
