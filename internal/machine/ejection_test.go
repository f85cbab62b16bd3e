package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestEjectionGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	now := time.Unix(1000, 0)
	limits := EjectionLimits{Base: time.Second, Most: 5 * time.Second}
	in := now.Add
	first := Ejection{Phase: Ejected, times: 1, lasts: time.Second, Until: in(time.Second)}
	second := Ejection{Phase: Ejected, times: 2, lasts: 2 * time.Second, Until: in(2 * time.Second)}
	trial := Ejection{Phase: OnTrial, times: 1, lasts: time.Second, Until: in(time.Second)}
	back := Ejection{times: 1, lasts: time.Second, Until: now}

	for _, c := range []struct {
		name  string
		from  Ejection
		event EjectionEvent
		to    Ejection
	}{
		{"failures eject", Ejection{}, CallsFail, first},
		{"soon again for twice as long", Ejection{times: 1, lasts: time.Second, Until: in(-999 * time.Millisecond)}, CallsFail, second},
		{"after a good time from the start", Ejection{times: 3, lasts: time.Second, Until: in(-time.Second)}, CallsFail, first},
		{"for no longer than the most", Ejection{times: 9, lasts: time.Hour, Until: now}, CallsFail,
			Ejection{Phase: Ejected, times: 10, lasts: 5 * time.Second, Until: in(5 * time.Second)}},
		{"calls that were under way change nothing", first, CallFailed, first},
		{"not even good ones", first, CallAnswered, first},
		{"nor more failures", first, CallsFail, first},
		{"after its time comes a trial", Ejection{Phase: Ejected, times: 1, lasts: time.Second, Until: now}, TimeIsUp, trial},
		{"a trial that passes admits", trial, CallAnswered, back},
		{"a trial that fails ejects for longer", trial, CallFailed, second},
		{"a trial that does not end is made again", trial, TimeIsUp, trial},
		{"the admitted have no time", back, TimeIsUp, back},
		{"the admitted need no pass", back, CallAnswered, back},
		{"one failure is not enough", back, CallFailed, back},
		{"a pardon forgets all", second, Pardon, Ejection{Until: now}},
		{"a pardon forgets the past of the admitted", back, Pardon, Ejection{Until: now}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.to, c.from.Next(c.event, now, limits))
		})
	}
}

func TestEjectionLastsWithinItsBoundsForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		var x Ejection
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "ms")) * time.Millisecond)
			before := x
			x = x.Next(EjectionEvent(rapid.IntRange(int(CallsFail), int(Pardon)).Draw(t, "event")), now, EjectionLimits{
				Base: time.Second, Most: 8 * time.Second, U: rapid.Float64Range(0, 1).Draw(t, "u"),
			})
			if x.Phase == Ejected && before.Phase != Ejected {
				assert.GreaterOrEqual(t, x.lasts, time.Second)
				assert.LessOrEqual(t, x.lasts, 9600*time.Millisecond)
				assert.Equal(t, now.Add(x.lasts), x.Until)
			}
			assert.False(t, before.Phase == Ejected && x.Phase == Admitted && x.times > 0, "nobody returns without a trial but by a pardon")
		}
	})
}
