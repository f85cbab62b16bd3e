package evidence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const ms = time.Millisecond

func TestADeadlineIsShortIfTheEndpointUsuallyNeedsLongerAndAnswers(t *testing.T) {
	const later = 5 * time.Second
	u := Usual{Since: ms}.Next(100*ms, 20*ms)
	assert.True(t, u.Short(later, 5*ms, Usual{}))
	assert.False(t, u.Short(later, 20*ms, Usual{}))
	assert.False(t, u.Short(later, time.Hour, Usual{}))
	assert.False(t, u.Short(100*ms+answers, 5*ms, Usual{}), "nothing is answered any more")
}

func TestOtherConnectionsStandInForOneThatAnswersNothing(t *testing.T) {
	all := Usual{Since: ms}.Next(time.Minute, 20*ms)
	for name, u := range map[string]Usual{"never": {Since: ms}, "not lately": Usual{Since: ms}.Next(time.Second, ms)} {
		assert.True(t, u.Short(time.Minute, 5*ms, all), name)
		assert.False(t, u.Short(time.Minute, 20*ms, all), name)
		assert.False(t, u.Short(time.Minute+answers, 5*ms, all), name)
	}
}

func TestAShortDeadlineIsExcusedForAWhileAfterAnAnswer(t *testing.T) {
	const at = 5 * time.Second
	for name, u := range map[string]Usual{"the first call": {Since: at}, "an answer": {Since: ms, Answered: at, Took: ms}} {
		assert.True(t, u.Short(at+700*ms, 5*ms, Usual{}), name)
		assert.False(t, u.Short(at+700*ms, 900*ms, Usual{}), name)
		assert.False(t, u.Short(at+atLeast, 5*ms, Usual{}), name)
	}
}

func TestTheUsualTimeStandsForTheSlowMethodsAndIsForgotten(t *testing.T) {
	u := Usual{}.Next(time.Second, 50*ms)
	for now := time.Second; now < 3*time.Second; now += 10 * ms {
		u = u.Next(now, ms)
	}
	assert.True(t, u.Short(5*time.Second, 40*ms, Usual{}), "slow calls are rare")
	for now := 3 * time.Second; now < 2*time.Minute; now += 10 * ms {
		u = u.Next(now, ms)
	}
	assert.False(t, u.Short(2*time.Minute+2*time.Second, 5*ms, Usual{}), "there are none any more")
	assert.Equal(t, ms, u.Next(time.Hour, ms).Took, "a pause")
	assert.Equal(t, ms, Usual{Answered: time.Hour, Took: ms}.Next(time.Minute, -1).Took, "calls end out of order")
}
