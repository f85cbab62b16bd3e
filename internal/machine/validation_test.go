package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestTheMachineOfValidation(t *testing.T) {
	asking := Validation{asking: true}
	retried := Validation{Last: IdentityRetry, times: 1}
	other := Validation{Last: IdentityMismatch, times: 1}
	valid := Validation{Last: IdentityValid, times: 1}
	ask, none := ValidationEffects{Ask: true}, ValidationEffects{}
	for name, c := range map[string]struct {
		before  Validation
		event   ValidationEvent
		after   Validation
		effects ValidationEffects
	}{
		"a new connection is asked about":    {Validation{}, AskedFor, asking, ask},
		"but not twice":                      {asking, AskedFor, asking, none},
		"nor because it is healthy":          {Validation{}, NowHealthy, Validation{}, none},
		"a valid one stays so":               {asking, SaidValid, valid, none},
		"whatever comes":                     {valid, SaidMismatch, valid, none},
		"and is not asked again":             {valid, PauseOver, valid, none},
		"one that could not be asked waits":  {asking, SaidRetry, retried, ValidationEffects{Wait: minRetryPause}},
		"until the pause is over":            {retried, PauseOver, Validation{Last: IdentityRetry, times: 1, asking: true}, ask},
		"or it becomes healthy":              {retried, NowHealthy, Validation{Last: IdentityRetry, times: 1, asking: true}, ask},
		"another one waits for longer":       {asking, SaidMismatch, other, ValidationEffects{Wait: minMismatchPause}},
		"and is asked again":                 {other, PauseOver, Validation{Last: IdentityMismatch, times: 1, asking: true}, ask},
		"but not for its health":             {other, NowHealthy, other, none},
		"health means nothing to a question": {asking, NowHealthy, asking, none},
		"a second failure doubles the pause": {
			Validation{Last: IdentityRetry, times: 1, asking: true}, SaidRetry,
			Validation{Last: IdentityRetry, times: 2}, ValidationEffects{Wait: 2 * minRetryPause},
		},
		"another failure begins anew": {
			Validation{Last: IdentityRetry, times: 5, asking: true}, SaidMismatch, other, ValidationEffects{Wait: minMismatchPause},
		},
		"pauses are bounded": {
			Validation{Last: IdentityMismatch, times: 1000, asking: true}, SaidMismatch,
			Validation{Last: IdentityMismatch, times: 1001}, ValidationEffects{Wait: maxMismatchPause},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after, effects := c.before.Next(c.event, 0.5)
			assert.Equal(t, c.after, after)
			assert.Equal(t, c.effects, effects)
		})
	}
}

func TestWhateverHappensAValidationIsNeverForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Validation
		running, Waiting := false, false
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			event := rapid.SampledFrom([]ValidationEvent{AskedFor, SaidValid, SaidRetry, SaidMismatch, PauseOver, NowHealthy}).Draw(t, "event")
			if !running && event >= SaidValid && event <= SaidMismatch || event == PauseOver && !Waiting {
				continue // nobody says that
			}
			before := v
			next, effects := v.Next(event, rapid.Float64Range(0, 0.999).Draw(t, "u"))
			v = next
			if event == PauseOver {
				Waiting = false
			}
			switch {
			case effects.Ask:
				assert.False(t, running, "one question at a time")
				running, Waiting = true, false
			case running && event >= SaidValid && event <= SaidMismatch:
				running = false
				Waiting = effects.Wait > 0
				assert.True(t, Waiting || v.Last == IdentityValid, "whoever is not valid is asked again")
				assert.LessOrEqual(t, effects.Wait, time.Duration(float64(maxMismatchPause)*(1+pauseJitter)))
			}
			if before.Last == IdentityValid {
				assert.Equal(t, before, v)
			}
			assert.Equal(t, running, v.asking)
		}
	})
}
