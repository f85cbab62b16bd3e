package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestHandoverGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	now := time.Unix(1000, 0)
	in := now.Add
	var none Handover
	proving := Handover{Phase: Proving, Since: in(-time.Second), Until: in(time.Second)}
	late := Handover{Phase: Proving, Since: in(-MostProving), Until: now}
	holding := Handover{Phase: Holding, Since: in(-time.Minute), Until: in(-time.Second), Told: true}
	again := Handover{Phase: Proving, Since: in(-time.Minute), Until: in(time.Second), Told: true}

	for _, c := range []struct {
		name    string
		from    Handover
		facts   HandoverFacts
		to      Handover
		effects HandoverEffects
	}{
		{"nothing leaves", none, HandoverFacts{Changed: true, Awaited: true}, none, HandoverEffects{}},
		{"others can serve", none, HandoverFacts{Leaving: true, Changed: true, Able: true}, none, HandoverEffects{Release: true}},
		{"new ones are waited for", none, HandoverFacts{Leaving: true, Changed: true, Awaited: true},
			Handover{Phase: Proving, Since: now, Until: in(MostProving)}, HandoverEffects{Wake: in(MostProving)}},
		{"even if others can serve", none, HandoverFacts{Leaving: true, Changed: true, Awaited: true, Able: true},
			Handover{Phase: Proving, Since: now, Until: in(MostProving)}, HandoverEffects{Wake: in(MostProving)}},
		{"no other can serve", none, HandoverFacts{Leaving: true, Changed: true},
			Handover{Phase: Holding, Since: now, Told: true}, HandoverEffects{Hold: true}},
		{"somebody insists", none, HandoverFacts{Leaving: true, Changed: true, Awaited: true, Insisted: true}, none, HandoverEffects{Release: true}},

		{"a change of another endpoint", proving, HandoverFacts{Leaving: true, Awaited: true}, proving, HandoverEffects{Wake: in(time.Second)}},
		{"a further list does not prolong it", proving, HandoverFacts{Leaving: true, Changed: true, Awaited: true}, proving, HandoverEffects{Wake: in(time.Second)}},
		{"the new ones can serve", proving, HandoverFacts{Leaving: true, Able: true}, none, HandoverEffects{Release: true}},
		{"the new ones cannot", proving, HandoverFacts{Leaving: true},
			Handover{Phase: Holding, Since: in(-time.Second), Until: in(time.Second), Told: true}, HandoverEffects{Hold: true}},
		{"one is waited for too long, another can serve", late, HandoverFacts{Leaving: true, Awaited: true, Able: true}, none, HandoverEffects{Release: true}},
		{"and none can", late, HandoverFacts{Leaving: true, Awaited: true},
			Handover{Phase: Holding, Since: in(-MostProving), Until: now, Told: true}, HandoverEffects{Hold: true}},
		{"a preferred one is waited for", proving, HandoverFacts{Leaving: true, Awaited: true, Able: true, Patience: 4500 * time.Millisecond},
			proving, HandoverEffects{Wake: in(500 * time.Millisecond)}},
		{"but not for long", proving, HandoverFacts{Leaving: true, Awaited: true, Able: true, Patience: time.Second}, none, HandoverEffects{Release: true}},
		{"all are listed again", proving, HandoverFacts{Changed: true, Able: true}, none, HandoverEffects{}},
		{"insisted while proving", proving, HandoverFacts{Leaving: true, Awaited: true, Insisted: true}, none, HandoverEffects{Release: true}},

		{"nothing changes", holding, HandoverFacts{Leaving: true}, holding, HandoverEffects{}},
		{"late and undecided", holding, HandoverFacts{Leaving: true, Awaited: true}, holding, HandoverEffects{}},
		{"the list can serve at last", holding, HandoverFacts{Leaving: true, Awaited: true, Able: true}, none, HandoverEffects{Release: true, Over: true}},
		{"a list of others that cannot", holding, HandoverFacts{Leaving: true, Changed: true}, holding, HandoverEffects{}},
		{"a list of others that may", holding, HandoverFacts{Leaving: true, Changed: true, Awaited: true},
			Handover{Phase: Proving, Since: in(-time.Minute), Until: in(MostProving), Told: true}, HandoverEffects{Wake: in(MostProving)}},
		{"they cannot either", again, HandoverFacts{Leaving: true},
			Handover{Phase: Holding, Since: in(-time.Minute), Until: in(time.Second), Told: true}, HandoverEffects{Hold: true}},
		{"they can", again, HandoverFacts{Leaving: true, Able: true}, none, HandoverEffects{Release: true, Over: true}},
		{"the old list is back", holding, HandoverFacts{Changed: true, Able: true}, none, HandoverEffects{Over: true}},
		{"insisted at last", holding, HandoverFacts{Leaving: true, Insisted: true}, none, HandoverEffects{Release: true, Over: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.Next(c.facts, now)
			assert.Equal(t, c.to, to)
			assert.Equal(t, c.effects, effects)
		})
	}
}

// Whatever happens: a client that works is not emptied unless somebody insists, a list
// that can carry the calls gets them in time, and what was told is told to be over.
func TestAHandoverNeitherEmptiesNorKeepsForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		var h Handover
		var wake time.Time
		began := now // of the time in which the new endpoints may be waited for
		told := false
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			if !wake.IsZero() && now.After(wake) {
				now = wake // the owner keeps the appointment
			}
			f := HandoverFacts{
				Leaving: rapid.Bool().Draw(t, "leaving") || h.Phase != NoHandover && rapid.Bool().Draw(t, "still"),
				Changed: rapid.Bool().Draw(t, "changed"), Able: rapid.Bool().Draw(t, "able"),
				Awaited: rapid.Bool().Draw(t, "awaited"), Insisted: rapid.IntRange(0, 9).Draw(t, "insisted") == 0,
			}
			was := h
			var effects HandoverEffects
			h, effects = h.Next(f, now)
			wake = effects.Wake
			if was.Phase != Proving {
				began = now
			}
			if effects.Release {
				require.True(t, f.Leaving && (f.Insisted || f.Able), "the client is emptied")
			}
			require.Equal(t, f.Leaving && !effects.Release, h.Phase != NoHandover)
			if f.Leaving && f.Able && (!f.Awaited || now.Sub(began) >= MostProving) {
				require.True(t, effects.Release, "the new list is kept waiting")
			}
			require.False(t, effects.Hold && effects.Release)
			require.Equal(t, h.Phase == Proving, !effects.Wake.IsZero())
			if effects.Hold {
				require.Equal(t, Holding, h.Phase)
				require.False(t, f.Able)
				told = true
			}
			require.Equal(t, told && h.Phase == NoHandover, effects.Over, "what was told is not told to be over")
			told = told && !effects.Over
		}
	})
}
