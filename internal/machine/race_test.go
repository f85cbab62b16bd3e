package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestRaceGoesFromEachStateWhereTheTableSays(t *testing.T) {
	for _, c := range []struct {
		name    string
		from    Race
		event   RaceEvent
		addrs   int
		to      Race
		effects RaceEffects
	}{
		{"it begins with the first address", Race{3, 3, 1}, RaceBegin, 2, Race{2, 1, 1}, RaceEffects{Start: true, Arm: true}},
		{"an only address has no rival to wait for", Race{}, RaceBegin, 1, Race{1, 1, 1}, RaceEffects{Start: true}},
		{"more addresses become known", Race{1, 1, 1}, RaceFound, 3, Race{3, 1, 1}, RaceEffects{Arm: true}},
		{"no more than the one being tried", Race{1, 1, 1}, RaceFound, 1, Race{1, 1, 1}, RaceEffects{}},
		{"fewer than have been tried", Race{3, 2, 2}, RaceFound, 1, Race{2, 2, 2}, RaceEffects{}},
		{"when the race is over", Race{1, 1, 0}, RaceFound, 3, Race{3, 1, 0}, RaceEffects{}},
		{"a second attempt joins a slow one", Race{3, 1, 1}, RaceDelayed, 0, Race{3, 2, 2}, RaceEffects{Start: true, Arm: true}},
		{"and a third two slow ones", Race{3, 2, 2}, RaceDelayed, 0, Race{3, 3, 3}, RaceEffects{Start: true}},
		{"no address is left for a second attempt", Race{1, 1, 1}, RaceDelayed, 0, Race{1, 1, 1}, RaceEffects{}},
		{"nothing is slow once all is over", Race{3, 1, 0}, RaceDelayed, 0, Race{3, 1, 0}, RaceEffects{}},
		{"after a failure the next is tried at once", Race{3, 1, 1}, RaceFailed, 0, Race{3, 2, 1}, RaceEffects{Start: true, Arm: true}},
		{"also beside another one", Race{3, 2, 2}, RaceFailed, 0, Race{3, 3, 2}, RaceEffects{Start: true}},
		{"the other one goes on", Race{2, 2, 2}, RaceFailed, 0, Race{2, 2, 1}, RaceEffects{}},
		{"all have failed", Race{2, 2, 1}, RaceFailed, 0, Race{2, 2, 0}, RaceEffects{Lost: true}},
		{"no attempt was left to fail", Race{2, 2, 0}, RaceFailed, 0, Race{2, 2, 0}, RaceEffects{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.Next(c.event, c.addrs)
			assert.Equal(t, c.to, to)
			assert.Equal(t, c.effects, effects)
		})
	}
}

// Whatever happens, each address is tried once and in order, and the end is reported
// once, when none is left.
func TestRaceTriesEachAddressOnceForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known, all := 1, rapid.IntRange(1, 5).Draw(t, "addresses")
		var r Race
		var effects RaceEffects
		started, running, lost := 0, 0, 0
		step := func(e RaceEvent) {
			r, effects = r.Next(e, known)
			if effects.Start {
				started++
				running++
				assert.Equal(t, started, r.Started)
			}
			if effects.Lost {
				lost++
				assert.Zero(t, running)
				assert.Equal(t, known, started)
			}
			assert.Equal(t, running, r.Running)
			assert.False(t, effects.Arm && started == known, "a timer without an address for it")
		}
		step(RaceBegin)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if lost > 0 {
				break
			}
			switch e := RaceEvent(rapid.IntRange(int(RaceFound), int(RaceFailed)).Draw(t, "event")); {
			case e == RaceFound:
				known = all
				step(e)
			case e == RaceFailed && running > 0:
				running--
				step(e)
			case e == RaceDelayed:
				step(e)
			}
			assert.True(t, running > 0 || lost == 1, "an attempt is under way until all have failed")
		}
	})
}
