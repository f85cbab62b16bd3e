package judge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	serving = Health{State: report.Healthy, Why: Why{Reason: report.ReasonServing}}
	timeout = Health{State: report.Suspect, Why: Why{Reason: report.ReasonProbeTimeout}}
	lost    = Why{Reason: report.ReasonConnectionLost, Detail: "reset"}
	refused = Why{Reason: report.ReasonConnectFailed, Detail: "refused"}
	no      = Health{State: report.Unhealthy, Why: Why{Reason: report.ReasonNotServing}}
)

// good are the facts of an endpoint against which nothing speaks, changed by change.
func good(change func(*Facts)) Facts {
	f := Facts{Link: Connected, Channel: Passing, Health: serving}
	change(&f)
	return f
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		facts    Facts
		class    Class
		standing Standing
		state    report.EndpointState
		why      Why
	}{
		"new":                               {Facts{}, Undecided, Open, report.StateConnecting, Why{}},
		"connecting":                        {Facts{Link: Connecting}, Undecided, Open, report.StateConnecting, Why{}},
		"failed to connect":                 {Facts{LinkWhy: refused, Memory: Memory{Troubled: true}}, Out, Unfit, report.StateUnreachable, refused},
		"lost":                              {Facts{LinkWhy: lost}, Undecided, Open, report.StateConnecting, lost},
		"trying again":                      {Facts{Link: Connecting, LinkWhy: refused}, Out, Unfit, report.StateUnreachable, refused},
		"reached at last":                   {good(func(f *Facts) { f.Health, f.Channel, f.LinkWhy = Health{}, Unheard, refused }), Out, Unfit, report.StateUnreachable, refused},
		"connected":                         {good(func(f *Facts) { f.Health, f.Channel = Health{}, Unheard }), Undecided, Open, report.StateConnecting, Why{}},
		"not judged":                        {good(func(f *Facts) { f.Health = Health{} }), Undecided, Open, report.StateUnknown, Why{}},
		"good":                              {good(func(*Facts) {}), Eligible, Fit, report.StateHealthy, serving.Why},
		"suspect":                           {good(func(f *Facts) { f.Health = timeout }), Eligible, Suspect, report.StateSuspect, timeout.Why},
		"unhealthy":                         {good(func(f *Facts) { f.Health = no }), Out, Unfit, report.StateUnhealthy, no.Why},
		"unhealthy, unheard":                {good(func(f *Facts) { f.Health, f.Channel = no, Unheard }), Out, Unfit, report.StateUnhealthy, no.Why},
		"unhealthy elsewhere":               {Facts{Health: no}, Out, Unfit, report.StateUnhealthy, no.Why},
		"unhealthy and gone":                {Facts{Health: no, LinkWhy: refused}, Out, Unfit, report.StateUnreachable, refused},
		"unhealthy and lost":                {Facts{Health: no, LinkWhy: lost}, Out, Unfit, report.StateConnecting, lost},
		"health refused":                    {good(func(f *Facts) { f.Health = Health{report.Unhealthy, refused} }), Out, Unfit, report.StateUnreachable, refused},
		"both refused":                      {Facts{Health: Health{report.Unhealthy, refused}, LinkWhy: refused}, Out, Unfit, report.StateUnreachable, refused},
		"health refused, no connection yet": {Facts{Health: Health{report.Unhealthy, refused}}, Out, Unfit, report.StateUnreachable, refused},
		"silent": {
			good(func(f *Facts) { f.Liveness, f.LivenessWhy = Silent, Why{Reason: report.ReasonSilence} }),
			Eligible, Suspect, report.StateSuspect, Why{Reason: report.ReasonSilence},
		},
		"not proven":            {good(func(f *Facts) { f.Liveness = Unproven }), Undecided, Open, report.StateUnknown, Why{}},
		"unhealthy, not proven": {good(func(f *Facts) { f.Liveness, f.Health = Unproven, no }), Out, Unfit, report.StateUnhealthy, no.Why},
		"dead": {
			good(func(f *Facts) { f.Liveness, f.LivenessWhy = Dead, Why{report.ReasonSilence, "3s"} }),
			Out, Unfit, report.StateUnhealthy, Why{report.ReasonSilence, "3s"},
		},
		"ejected":              {good(func(f *Facts) { f.Evidence = Ejected }), Out, Unfit, report.StateEjected, Why{Reason: report.ReasonCallsFailing}},
		"on trial":             {good(func(f *Facts) { f.Evidence = OnTrial }), Out, Unfit, report.StateEjected, Why{Reason: report.ReasonCallsFailing}},
		"ejected, unhealthy":   {good(func(f *Facts) { f.Evidence, f.Health = Ejected, no }), Out, Unfit, report.StateUnhealthy, no.Why},
		"drained":              {good(func(f *Facts) { f.Drained = true }), Out, Fit, report.StateDrained, Why{Reason: report.ReasonDrained}},
		"closed":               {Facts{Link: Closed}, Out, Open, report.StateConnecting, Why{}},
		"channel pending":      {good(func(f *Facts) { f.Channel = Pending }), Undecided, Open, report.StateUnknown, Why{Reason: report.ReasonChannelHealth}},
		"channel failing":      {good(func(f *Facts) { f.Channel, f.ChannelDetail = Failing, "no" }), Out, Unfit, report.StateUnhealthy, Why{report.ReasonChannelHealth, "no"}},
		"asking who it is":     {good(func(f *Facts) { f.Identity = Asking }), Undecided, Open, report.StateUnknown, Why{Reason: report.ReasonValidating}},
		"the right one":        {good(func(f *Facts) { f.Identity = Confirmed }), Eligible, Fit, report.StateHealthy, serving.Why},
		"not known who it is":  {good(func(f *Facts) { f.Identity, f.IdentityDetail = Unconfirmed, "?" }), Out, Unfit, report.StateUnhealthy, Why{report.ReasonNotValidated, "?"}},
		"unhealthy, not known": {good(func(f *Facts) { f.Identity, f.Health = Unconfirmed, no }), Out, Unfit, report.StateUnhealthy, no.Why},
		"another one":          {good(func(f *Facts) { f.Identity, f.Health = Mismatch, no }), Out, Unfit, report.StateUnhealthy, Why{Reason: report.ReasonIdentityMismatch}},
		"troubled, connected":  {good(func(f *Facts) { f.Health, f.Memory.Troubled = Health{}, true }), Out, Unfit, report.StateUnknown, Why{}},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge(c.facts)
			assert.Equal(t, c.class, j.Class, "class")
			assert.Equal(t, c.standing, j.Standing, "standing")
			assert.Equal(t, c.state, j.State, "state")
			assert.Equal(t, c.why, j.Why, "why")
		})
	}
}

func TestAnEndpointIsInTroubleUntilItServes(t *testing.T) {
	f := good(func(f *Facts) { f.Health = no })
	j := Judge(f)
	assert.True(t, j.Memory.Troubled)
	f = Facts{Memory: j.Memory, Link: Connecting}
	j = Judge(f)
	assert.Equal(t, Out, j.Class, "no call waits for it")
	f = good(func(f *Facts) { f.Memory, f.Drained = j.Memory, true })
	assert.False(t, Judge(f).Memory.Troubled)
	assert.False(t, Judge(Facts{Drained: true}).Memory.Troubled, "to be drained is no trouble")
}

func TestWhatASuspectSaidLastStands(t *testing.T) {
	for _, last := range []Health{serving, {State: report.Healthy, Why: Why{Reason: report.ReasonConnected}}} {
		f := good(func(f *Facts) { f.Health = last })
		f.Memory = Judge(f).Memory
		f.Health = timeout
		assert.Equal(t, last == serving, Judge(f).Memory.Claims)
	}
	assert.False(t, Judge(good(func(f *Facts) { f.Health, f.Memory.Claims = no, true })).Memory.Claims)
}

func TestCallsOnAnEndpointThatDoesNotAnswerAreInVain(t *testing.T) {
	for want, facts := range map[bool][]Facts{
		true: {
			good(func(f *Facts) { f.Health = no }),
			good(func(f *Facts) { f.Liveness = Dead }),
			{Health: no},
		},
		false: {
			good(func(*Facts) {}),
			good(func(f *Facts) { f.Health = timeout }),
			good(func(f *Facts) { f.Liveness = Silent }),
			good(func(f *Facts) { f.Link, f.Liveness = Waiting, Dead }),
		},
	} {
		for _, f := range facts {
			assert.Equal(t, want, Judge(f).Sick, "%+v", f)
		}
	}
}

func TestAConnectionThatGRPCFindsFailingIsToldAsUnhealthy(t *testing.T) {
	assert.Equal(t, report.Unhealthy, Judge(good(func(f *Facts) { f.Channel = Failing })).Health)
	assert.Equal(t, report.Healthy, Judge(good(func(*Facts) {})).Health)
}

// every calls f with every combination of facts.
func every(f func(Facts)) {
	for bits := range 8 {
		for link := range Closed {
			for _, health := range []report.HealthState{"", report.HealthUnknown, report.Healthy, report.Suspect, report.Unhealthy} {
				for liveness := Alive; liveness <= Dead; liveness++ {
					for evidence := Admitted; evidence <= OnTrial; evidence++ {
						for channel := Unheard; channel <= Failing; channel++ {
							for identity := Unquestioned; identity <= Mismatch; identity++ {
								facts := Facts{
									Drained: bits&1 != 0, Memory: Memory{Troubled: bits&2 != 0},
									Link: link, Health: Health{State: health, Why: Why{Reason: report.ReasonProbeError}},
									Liveness: liveness, LivenessWhy: Why{Reason: report.ReasonSilence},
									Evidence: evidence, Channel: channel, Identity: identity,
								}
								if bits&4 != 0 {
									facts.LinkWhy = refused
								}
								f(facts)
							}
						}
					}
				}
			}
		}
	}
}

// The parts of a judgement never contradict each other.
func TestClassStandingStateAndReasonAgreeWhateverTheFacts(t *testing.T) {
	every(func(f Facts) {
		j := Judge(f)
		picked := j.State == report.StateHealthy || j.State == report.StateSuspect
		require.Equal(t, j.Class == Eligible, picked, "%+v: %+v", f, j)
		require.Equal(t, j.Class == Eligible, j.Standing >= Suspect && !f.Drained, "%+v: %+v", f, j)
		require.Equal(t, j.State == report.StateSuspect, j.Standing == Suspect && !f.Drained, "%+v: %+v", f, j)
		require.False(t, j.Class == Eligible && f.Link != Connected, "%+v: %+v", f, j)
		require.Equal(t, j.Standing >= Suspect, j.Serves && f.Evidence == Admitted, "%+v: %+v", f, j)
		require.False(t, j.Class == Undecided && j.State != report.StateConnecting && j.State != report.StateUnknown, "%+v: %+v", f, j)
		require.Equal(t, f.Drained, j.State == report.StateDrained, "%+v: %+v", f, j)
		if j.State == report.StateUnhealthy || j.State == report.StateEjected || j.State == report.StateSuspect {
			require.NotEqual(t, report.ReasonNone, j.Reason, "%+v: %+v", f, j)
		}
		again := f
		again.Memory = j.Memory
		k := Judge(again)
		require.Equal(t, j.Class, k.Class, "to judge twice changes nothing: %+v: %+v", f, j)
		require.Equal(t, j.State, k.State, "%+v: %+v", f, j)
	})
}
