package judge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/healthcheck"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	serving = Health{State: healthcheck.Healthy, Why: Why{Reason: healthcheck.ReasonServing}}
	timeout = Health{State: healthcheck.Suspect, Why: Why{Reason: healthcheck.ReasonProbeTimeout}}
	refused = Why{Reason: healthcheck.ReasonConnectFailed, Detail: "refused"}
	no      = Health{State: healthcheck.Unhealthy, Why: Why{Reason: healthcheck.ReasonNotServing}}
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
		state    State
		why      Why
	}{
		"new":                 {Facts{}, Undecided, Open, StateConnecting, Why{}},
		"connecting":          {Facts{Link: Connecting}, Undecided, Open, StateConnecting, Why{}},
		"failed to connect":   {Facts{LinkWhy: refused, Memory: Memory{Troubled: true}}, Out, Unfit, StateConnecting, refused},
		"connected":           {good(func(f *Facts) { f.Health, f.Channel = Health{}, Unheard }), Undecided, Open, StateConnecting, Why{}},
		"not judged":          {good(func(f *Facts) { f.Health = Health{} }), Undecided, Open, StateUnknown, Why{}},
		"good":                {good(func(*Facts) {}), Eligible, Fit, StateHealthy, serving.Why},
		"suspect":             {good(func(f *Facts) { f.Health = timeout }), Eligible, Suspect, StateSuspect, timeout.Why},
		"unhealthy":           {good(func(f *Facts) { f.Health = no }), Out, Unfit, StateUnhealthy, no.Why},
		"unhealthy, unheard":  {good(func(f *Facts) { f.Health, f.Channel = no, Unheard }), Out, Unfit, StateUnhealthy, no.Why},
		"unhealthy elsewhere": {Facts{Health: no}, Out, Unfit, StateUnhealthy, no.Why},
		"unhealthy and gone":  {Facts{Health: no, LinkWhy: refused}, Out, Unfit, StateConnecting, refused},
		"silent": {
			good(func(f *Facts) { f.Liveness, f.LivenessWhy = Silent, Why{Reason: healthcheck.ReasonSilence} }),
			Eligible, Suspect, StateSuspect, Why{Reason: healthcheck.ReasonSilence},
		},
		"dead": {
			good(func(f *Facts) { f.Liveness, f.LivenessWhy = Dead, Why{healthcheck.ReasonSilence, "3s"} }),
			Out, Unfit, StateUnhealthy, Why{healthcheck.ReasonSilence, "3s"},
		},
		"ejected":              {good(func(f *Facts) { f.Evidence = Ejected }), Out, Unfit, StateEjected, Why{Reason: healthcheck.ReasonCallsFailing}},
		"on trial":             {good(func(f *Facts) { f.Evidence = OnTrial }), Out, Unfit, StateEjected, Why{Reason: healthcheck.ReasonCallsFailing}},
		"ejected, unhealthy":   {good(func(f *Facts) { f.Evidence, f.Health = Ejected, no }), Out, Unfit, StateUnhealthy, no.Why},
		"drained":              {good(func(f *Facts) { f.Drained = true }), Out, Fit, StateDrained, Why{Reason: healthcheck.ReasonDrained}},
		"closed":               {Facts{Link: Closed}, Out, Open, StateConnecting, Why{}},
		"channel pending":      {good(func(f *Facts) { f.Channel = Pending }), Undecided, Open, StateUnknown, Why{Reason: healthcheck.ReasonChannelHealth}},
		"channel failing":      {good(func(f *Facts) { f.Channel, f.ChannelDetail = Failing, "no" }), Out, Unfit, StateUnhealthy, Why{healthcheck.ReasonChannelHealth, "no"}},
		"asking who it is":     {good(func(f *Facts) { f.Identity = Asking }), Undecided, Open, StateUnknown, Why{Reason: healthcheck.ReasonValidating}},
		"the right one":        {good(func(f *Facts) { f.Identity = Confirmed }), Eligible, Fit, StateHealthy, serving.Why},
		"not known who it is":  {good(func(f *Facts) { f.Identity, f.IdentityDetail = Unconfirmed, "?" }), Out, Unfit, StateUnhealthy, Why{healthcheck.ReasonNotValidated, "?"}},
		"unhealthy, not known": {good(func(f *Facts) { f.Identity, f.Health = Unconfirmed, no }), Out, Unfit, StateUnhealthy, no.Why},
		"another one":          {good(func(f *Facts) { f.Identity, f.Health = Mismatch, no }), Out, Unfit, StateUnhealthy, Why{Reason: healthcheck.ReasonIdentityMismatch}},
		"troubled, connected":  {good(func(f *Facts) { f.Health, f.Memory.Troubled = Health{}, true }), Out, Unfit, StateUnknown, Why{}},
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
	for _, last := range []Health{serving, {State: healthcheck.Healthy, Why: Why{Reason: healthcheck.ReasonConnected}}} {
		f := good(func(f *Facts) { f.Health = last })
		f.Memory = Judge(f).Memory
		f.Health = timeout
		assert.Equal(t, last == serving, Judge(f).Memory.Claims)
	}
	assert.False(t, Judge(good(func(f *Facts) { f.Health, f.Memory.Claims = no, true })).Memory.Claims)
}

func TestAConnectionThatGRPCFindsFailingIsToldAsUnhealthy(t *testing.T) {
	assert.Equal(t, healthcheck.Unhealthy, Judge(good(func(f *Facts) { f.Channel = Failing })).Health)
	assert.Equal(t, healthcheck.Healthy, Judge(good(func(*Facts) {})).Health)
}

// every calls f with every combination of facts.
func every(f func(Facts)) {
	for bits := range 8 {
		for link := Waiting; link < Closed; link++ {
			for health := healthcheck.Unknown; health <= healthcheck.Unhealthy; health++ {
				for liveness := Alive; liveness <= Dead; liveness++ {
					for evidence := Admitted; evidence <= OnTrial; evidence++ {
						for channel := Unheard; channel <= Failing; channel++ {
							for identity := Unquestioned; identity <= Mismatch; identity++ {
								facts := Facts{
									Drained: bits&1 != 0, Memory: Memory{Troubled: bits&2 != 0},
									Link: link, Health: Health{State: health, Why: Why{Reason: healthcheck.ReasonProbeError}},
									Liveness: liveness, LivenessWhy: Why{Reason: healthcheck.ReasonSilence},
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
		picked := j.State == StateHealthy || j.State == StateSuspect
		require.Equal(t, j.Class == Eligible, picked, "%+v: %+v", f, j)
		require.Equal(t, j.Class == Eligible, j.Standing >= Suspect && !f.Drained, "%+v: %+v", f, j)
		require.Equal(t, j.State == StateSuspect, j.Standing == Suspect && !f.Drained, "%+v: %+v", f, j)
		require.False(t, j.Class == Eligible && f.Link != Connected, "%+v: %+v", f, j)
		require.Equal(t, j.Standing >= Suspect, j.Serves && f.Evidence == Admitted, "%+v: %+v", f, j)
		require.False(t, j.Class == Undecided && j.State != StateConnecting && j.State != StateUnknown, "%+v: %+v", f, j)
		require.False(t, f.Drained != (j.State == StateDrained), "%+v: %+v", f, j)
		if j.State == StateUnhealthy || j.State == StateEjected || j.State == StateSuspect {
			require.NotEqual(t, healthcheck.ReasonNone, j.Reason, "%+v: %+v", f, j)
		}
		again := f
		again.Memory = j.Memory
		k := Judge(again)
		require.Equal(t, j.Class, k.Class, "to judge twice changes nothing: %+v: %+v", f, j)
		require.Equal(t, j.State, k.State, "%+v: %+v", f, j)
	})
}
