package endpointset

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestEjectionGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	now := time.Unix(1000, 0)
	limits := ejectionLimits{base: time.Second, most: 5 * time.Second}
	in := now.Add
	first := ejection{phase: ejected, times: 1, lasts: time.Second, until: in(time.Second)}
	second := ejection{phase: ejected, times: 2, lasts: 2 * time.Second, until: in(2 * time.Second)}
	trial := ejection{phase: onTrial, times: 1, lasts: time.Second, until: in(time.Second)}
	back := ejection{times: 1, lasts: time.Second, until: now}

	for _, c := range []struct {
		name  string
		from  ejection
		event ejectionEvent
		to    ejection
	}{
		{"failures eject", ejection{}, callsFail, first},
		{"soon again for twice as long", ejection{times: 1, lasts: time.Second, until: in(-999 * time.Millisecond)}, callsFail, second},
		{"after a good time from the start", ejection{times: 3, lasts: time.Second, until: in(-time.Second)}, callsFail, first},
		{"for no longer than the most", ejection{times: 9, lasts: time.Hour, until: now}, callsFail,
			ejection{phase: ejected, times: 10, lasts: 5 * time.Second, until: in(5 * time.Second)}},
		{"calls that were under way change nothing", first, callFailed, first},
		{"not even good ones", first, callAnswered, first},
		{"nor more failures", first, callsFail, first},
		{"after its time comes a trial", ejection{phase: ejected, times: 1, lasts: time.Second, until: now}, timeIsUp, trial},
		{"a trial that passes admits", trial, callAnswered, back},
		{"a trial that fails ejects for longer", trial, callFailed, second},
		{"a trial that does not end is made again", trial, timeIsUp, trial},
		{"the admitted have no time", back, timeIsUp, back},
		{"the admitted need no pass", back, callAnswered, back},
		{"one failure is not enough", back, callFailed, back},
		{"a pardon forgets all", second, pardon, ejection{until: now}},
		{"a pardon forgets the past of the admitted", back, pardon, ejection{until: now}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.to, c.from.next(c.event, now, limits))
		})
	}
}

func TestEjectionLastsWithinItsBoundsForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		var x ejection
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "ms")) * time.Millisecond)
			before := x
			x = x.next(ejectionEvent(rapid.IntRange(int(callsFail), int(pardon)).Draw(t, "event")), now, ejectionLimits{
				base: time.Second, most: 8 * time.Second, u: rapid.Float64Range(0, 1).Draw(t, "u"),
			})
			if x.phase == ejected && before.phase != ejected {
				assert.GreaterOrEqual(t, x.lasts, time.Second)
				assert.LessOrEqual(t, x.lasts, 9600*time.Millisecond)
				assert.Equal(t, now.Add(x.lasts), x.until)
			}
			assert.False(t, before.phase == ejected && x.phase == admitted && x.times > 0, "nobody returns without a trial but by a pardon")
		}
	})
}
