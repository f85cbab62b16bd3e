package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// status has an endpoint that serves, one that does not, and one that cannot be
// reached.
func status() report.Status {
	probe := func(outcome report.Outcome, reason report.Reason) report.ProbeStatus {
		return report.ProbeStatus{
			On: true, Target: `gRPC service ""`, Kind: report.KindGRPCCheck, Outcome: outcome, Reason: reason,
			At: now.Add(-500 * time.Millisecond), Answered: now.Add(-500 * time.Millisecond), RoundTrip: 1234 * time.Microsecond,
		}
	}
	return report.Status{
		Policy: "healthy_round_robin", State: connectivity.Ready, Notes: []string{"a note"},
		Endpoints: []report.EndpointStatus{
			{
				Name: "seq1", Address: "a:1", Eligible: true, State: report.StateHealthy, Reason: report.ReasonServing,
				Since: now.Add(-65 * time.Second), Health: report.Healthy, Connection: connectivity.Ready,
				Probe: probe(report.Serving, report.ReasonServing), Calls: report.CallStats{Picked: 12, Heard: 9, Failed: 3},
			},
			{
				Name: "seq2", Address: "b:2", State: report.StateUnhealthy, Reason: report.ReasonNotServing, Detail: "in repair",
				Since: now.Add(-12 * time.Second), Health: report.Unhealthy, Connection: connectivity.Ready, Drained: true, Ejected: true,
				Probe: probe(report.NotServing, report.ReasonNotServing),
			},
			{
				Name: "seq3", Address: "c:3", State: report.StateConnecting, Connection: connectivity.TransientFailure,
				ConnectionError: "refused", NextTry: now.Add(1200 * time.Millisecond), Probe: report.ProbeStatus{On: true, Target: `gRPC service ""`},
			},
		},
	}
}

func TestATableTellsOfEachEndpoint(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(view.Text(status(), now, nil)), "\n")
	require.Len(t, lines, 7)
	assert.Equal(t, "1 of 3 endpoints eligible, healthy_round_robin, channel READY", lines[0])
	assert.Equal(t, []string{"seq1", "a:1", "yes", "healthy", "1m05s", "grpc_check", "0.5s", "1.23ms", "READY", "12", "3", "serving"}, strings.Fields(lines[2]))
	assert.True(t, strings.HasSuffix(lines[3], "  not_serving: in repair"), lines[3])
	assert.True(t, strings.HasSuffix(lines[4], "  refused"), lines[4])
	assert.Equal(t, []string{`asked: gRPC service ""`, "note: a note"}, lines[5:])
	assert.Equal(t, strings.Index(lines[1], "STATE"), strings.Index(lines[4], "connecting"))

	s := status()
	s.NoneEligibleSince = now.Add(-3 * time.Second)
	assert.Contains(t, view.Text(s, now, nil), "NO ENDPOINT IS ELIGIBLE for 3.0s\n")
}

func TestAnAttemptToConnectIsTheReasonOnlyOfWhatIsNotKnownYet(t *testing.T) {
	attempt := report.EndpointStatus{
		State: report.StateConnecting, Connection: connectivity.Connecting, Phase: report.PhaseTCP, PhaseSince: now.Add(-time.Second),
	}
	assert.Equal(t, "waiting for the TCP connection for 1.0s", view.Why(attempt, now))
	attempt.State = report.StateUnknown
	assert.Equal(t, "waiting for the TCP connection for 1.0s", view.Why(attempt, now))

	// Its health is told elsewhere.
	attempt.State, attempt.Reason, attempt.Detail = report.StateUnhealthy, report.ReasonNotServing, "HTTP status 503"
	assert.Equal(t, "not_serving: HTTP status 503", view.Why(attempt, now))
	attempt.LeavingSince = now
	assert.Equal(t, "leaving the list; not_serving: HTTP status 503", view.Why(attempt, now))
}

func TestColoursTakeNoRoom(t *testing.T) {
	painted := view.Text(status(), now, func(e report.EndpointStatus) view.Paint {
		return func(text string) string { return "<" + string(e.State) + ">" + text + "</>" }
	})
	assert.Contains(t, painted, "<healthy>healthy   </>  1m05s")
	for _, state := range []string{"healthy", "unhealthy", "connecting"} {
		painted = strings.ReplaceAll(painted, "<"+state+">", "")
	}
	assert.Equal(t, view.Text(status(), now, nil), strings.ReplaceAll(painted, "</>", ""))
}

func TestAnExplanationNamesWhatIsMissing(t *testing.T) {
	for name, want := range map[string]struct {
		answer string
		unmet  []string
		detail string
	}{
		"seq1": {"seq1 is the only eligible endpoint: all calls go there.", nil, "the connection is READY"},
		"seq2": {
			"seq2 is not eligible: it is unhealthy (not_serving, for 12s).", []string{"healthy", "not ejected", "not drained"},
			`unhealthy; the newest probe (grpc_check, gRPC service "") said not_serving, 0.5s ago`,
		},
		"seq3": {
			"seq3 is not eligible: it is connecting.", []string{"connected", "healthy"},
			"the connection is TRANSIENT_FAILURE: refused; next try in 1.2s",
		},
	} {
		e, ok := view.Explain(status(), name, now)
		require.True(t, ok)
		assert.Equal(t, want.answer, e.Answer)
		var unmet, details []string
		for _, c := range e.Conditions {
			if !c.Met {
				unmet = append(unmet, c.Name)
			}
			details = append(details, c.Detail)
		}
		assert.Equal(t, want.unmet, unmet)
		assert.Contains(t, details, want.detail)
	}
	_, ok := view.Explain(status(), "seq4", now)
	assert.False(t, ok)

	e, _ := view.Explain(status(), "seq2", now)
	assert.Contains(t, e.String(), "   yes  connected    the connection is READY\n   NO   healthy      unhealthy;")
}

func TestTheActiveIsNamedAndTheOthersStandBy(t *testing.T) {
	s := status()
	s.Policy = "active_passive"
	s.Failover = &report.FailoverStatus{Active: "seq1", Since: now.Add(-time.Minute), Switches: 3, Pinned: "seq1"}
	s.Endpoints[0].Active = true
	s.Endpoints[2].Eligible = true
	text := view.Text(s, now, nil)
	assert.Contains(t, text, "\nactive: seq1 for 1m00s; pinned to seq1; switches: 3\n")
	assert.Regexp(t, `(?m)^seq1 +a:1 +active +healthy`, text)

	e, _ := view.Explain(s, "seq1", now)
	assert.True(t, e.Picked)
	assert.Equal(t, "seq1 is the active endpoint: all calls go there.", e.Answer)
	e, _ = view.Explain(s, "seq3", now)
	assert.True(t, e.Eligible)
	assert.False(t, e.Picked)
	assert.Equal(t, "seq3 is a standby: it is eligible, and seq1 is active.", e.Answer)
	assert.False(t, e.Conditions[4].Met)

	s.Failover = &report.FailoverStatus{}
	assert.Contains(t, view.Text(s, now, nil), "\nno endpoint is active yet; switches: 0\n")
	s.Failover = &report.FailoverStatus{Since: now.Add(-time.Second), Lost: report.ReasonNotServing, Last: "seq1"}
	assert.Contains(t, view.Text(s, now, nil), "\nno endpoint has been active for 1.0s (not_serving); the last was seq1; switches: 0\n")
}

func TestAnEndpointThatIsPickedBecauseNobodyIsEligibleIsPicked(t *testing.T) {
	s := status()
	for i := range s.Endpoints {
		s.Endpoints[i].Eligible = false
	}
	s.Endpoints[1].FailOpen = true
	e, _ := view.Explain(s, "seq2", now)
	assert.True(t, e.Picked)
	assert.False(t, e.Eligible)
	assert.Regexp(t, `^seq2 is not eligible: it is unhealthy \(.*\). But no endpoint is eligible, and with failOpen calls go there anyway\.$`, e.Answer)
	e, _ = view.Explain(s, "seq1", now)
	assert.False(t, e.Picked)
}

func TestAnEndpointOfAnotherZoneIsPickedOnlyIfCallsSpill(t *testing.T) {
	s := status()
	s.Zone = "east"
	for i := range s.Endpoints {
		s.Endpoints[i].Eligible, s.Endpoints[i].Zone = true, []string{"east", "west", "west"}[i]
	}
	e, _ := view.Explain(s, "seq2", now)
	assert.False(t, e.Picked)
	assert.Equal(t, `seq2 is eligible but in another zone: calls stay in zone "east" while enough endpoints there are eligible.`, e.Answer)
	s.Spilled = true
	e, _ = view.Explain(s, "seq2", now)
	assert.True(t, e.Picked)
	s.Spilled, s.Zone = false, "north"
	e, _ = view.Explain(s, "seq2", now)
	assert.True(t, e.Picked, "zones do not matter if the list has none of the client's")
}

func TestAnEndpointThatHasLeftTheListIsExplainedUnlessOneOfTheListHasItsName(t *testing.T) {
	s := status()
	old := s.Endpoints[0]
	old.Name, old.Eligible, old.LeavingSince = "old", true, now
	s.Leaving = []report.EndpointStatus{old}
	e, ok := view.Explain(s, "old", now)
	require.True(t, ok)
	assert.Equal(t, "old has left the list, and gets calls until an endpoint of the list is eligible.", e.Answer)
	s.Leaving[0].Name = "seq1"
	e, _ = view.Explain(s, "seq1", now)
	assert.NotContains(t, e.Answer, "has left")
}

func TestDurationsAreRounded(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 340 * time.Millisecond: "0.3s", 9960 * time.Millisecond: "10s", 59600 * time.Millisecond: "1m00s",
		time.Minute + 5*time.Second: "1m05s", 130 * time.Minute: "2h10m", 51 * time.Hour: "2d3h",
	} {
		assert.Equal(t, want, view.Span(d), d)
	}
	for d, want := range map[time.Duration]string{
		0: "-", 200 * time.Microsecond: "0.20ms", 12345 * time.Microsecond: "12.3ms", 250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.50s",
		9996 * time.Microsecond: "10.0ms", 99960 * time.Microsecond: "100ms", 999600 * time.Microsecond: "1.00s", 12 * time.Second: "12.0s",
	} {
		assert.Equal(t, want, view.RoundTrip(d), d)
	}
}
