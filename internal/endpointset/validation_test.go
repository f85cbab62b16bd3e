package endpointset

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestTheMachineOfValidation(t *testing.T) {
	asking := validation{asking: true}
	retried := validation{last: identityRetry, times: 1}
	other := validation{last: identityMismatch, times: 1}
	valid := validation{last: identityValid, times: 1}
	ask, none := validationEffects{ask: true}, validationEffects{}
	for name, c := range map[string]struct {
		before  validation
		event   validationEvent
		after   validation
		effects validationEffects
	}{
		"a new connection is asked about":    {validation{}, askedFor, asking, ask},
		"but not twice":                      {asking, askedFor, asking, none},
		"nor because it is healthy":          {validation{}, nowHealthy, validation{}, none},
		"a valid one stays so":               {asking, saidValid, valid, none},
		"whatever comes":                     {valid, saidMismatch, valid, none},
		"and is not asked again":             {valid, pauseOver, valid, none},
		"one that could not be asked waits":  {asking, saidRetry, retried, validationEffects{wait: minRetryPause}},
		"until the pause is over":            {retried, pauseOver, validation{last: identityRetry, times: 1, asking: true}, ask},
		"or it becomes healthy":              {retried, nowHealthy, validation{last: identityRetry, times: 1, asking: true}, ask},
		"another one waits for longer":       {asking, saidMismatch, other, validationEffects{wait: minMismatchPause}},
		"and is asked again":                 {other, pauseOver, validation{last: identityMismatch, times: 1, asking: true}, ask},
		"but not for its health":             {other, nowHealthy, other, none},
		"health means nothing to a question": {asking, nowHealthy, asking, none},
		"a second failure doubles the pause": {
			validation{last: identityRetry, times: 1, asking: true}, saidRetry,
			validation{last: identityRetry, times: 2}, validationEffects{wait: 2 * minRetryPause},
		},
		"another failure begins anew": {
			validation{last: identityRetry, times: 5, asking: true}, saidMismatch, other, validationEffects{wait: minMismatchPause},
		},
		"pauses are bounded": {
			validation{last: identityMismatch, times: 1000, asking: true}, saidMismatch,
			validation{last: identityMismatch, times: 1001}, validationEffects{wait: maxMismatchPause},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after, effects := c.before.next(c.event, 0.5)
			assert.Equal(t, c.after, after)
			assert.Equal(t, c.effects, effects)
		})
	}
}

func TestWhateverHappensAValidationIsNeverForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v validation
		running, waiting := false, false
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			event := rapid.SampledFrom([]validationEvent{askedFor, saidValid, saidRetry, saidMismatch, pauseOver, nowHealthy}).Draw(t, "event")
			if !running && event >= saidValid && event <= saidMismatch || event == pauseOver && !waiting {
				continue // nobody says that
			}
			before := v
			next, effects := v.next(event, rapid.Float64Range(0, 0.999).Draw(t, "u"))
			v = next
			if event == pauseOver {
				waiting = false
			}
			switch {
			case effects.ask:
				assert.False(t, running, "one question at a time")
				running, waiting = true, false
			case running && event >= saidValid && event <= saidMismatch:
				running = false
				waiting = effects.wait > 0
				assert.True(t, waiting || v.last == identityValid, "whoever is not valid is asked again")
				assert.LessOrEqual(t, effects.wait, time.Duration(float64(maxMismatchPause)*(1+pauseJitter)))
			}
			if before.last == identityValid {
				assert.Equal(t, before, v)
			}
			assert.Equal(t, running, v.asking)
		}
	})
}
