package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestALockGoesToWhoHasWaitedLongestWhenTheTakeoverIsOver(t *testing.T) {
	t0 := time.Unix(1_000_000, 0)
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	l := lock{takeover: time.Second}
	for i, step := range []struct {
		event   lockEvent
		granted string
		holder  string
	}{
		{lockEvent{kind: lockAsked, at: at(0)}, "", ""}, // nobody wants it
		{lockEvent{kind: lockWanted, replica: "a"}, "", ""},
		{lockEvent{kind: lockWanted, replica: "b"}, "", ""},
		{lockEvent{kind: lockAsked, at: at(0)}, "a", "a"}, // it was never held: at once
		{lockEvent{kind: lockAsked, at: at(9)}, "", "a"},
		{lockEvent{kind: lockWanted, replica: "a"}, "", "a"}, // it has it
		{lockEvent{kind: lockLeft, replica: "c", at: at(9)}, "", "a"},
		{lockEvent{kind: lockLeft, replica: "a", at: at(10)}, "", ""},
		{lockEvent{kind: lockWanted, replica: "a"}, "", ""}, // behind b
		{lockEvent{kind: lockAsked, at: at(10.9)}, "", ""},
		{lockEvent{kind: lockAsked, at: at(11)}, "b", "b"},
		{lockEvent{kind: lockLeft, replica: "a", at: at(12)}, "", "b"}, // it no longer waits
		{lockEvent{kind: lockLeft, replica: "b", at: at(13)}, "", ""},
		{lockEvent{kind: lockAsked, at: at(20)}, "", ""},
	} {
		var granted string
		l, granted = l.next(step.event)
		assert.Equal(t, step.granted, granted, "step %d", i)
		assert.Equal(t, step.holder, l.holder, "step %d", i)
	}
}

func TestALockHasOneHolderAtATimeAndNoneDuringATakeover(t *testing.T) {
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		l := lock{takeover: time.Duration(rapid.IntRange(0, 5).Draw(t, "takeover")) * time.Second}
		now := time.Unix(1_000_000, 0)
		var left time.Time // when the last holder left
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
			before := l
			e := lockEvent{
				kind: lockEventKind(rapid.IntRange(0, 2).Draw(t, "kind")), replica: rapid.SampledFrom(names).Draw(t, "replica"), at: now,
			}
			var granted string
			l, granted = l.next(e)
			switch {
			case granted != "":
				assert.Empty(t, before.holder, "it was free")
				assert.Equal(t, granted, l.holder)
				assert.Contains(t, before.waiting, granted)
				assert.False(t, !left.IsZero() && now.Before(left.Add(l.takeover)), "a takeover takes its time")
			case l.holder == "" && before.holder != "":
				assert.Equal(t, before.holder, e.replica, "only its holder frees it")
				left = now
			default:
				assert.Equal(t, before.holder, l.holder)
			}
			assert.NotContains(t, l.waiting, l.holder)
			sorted := slices.Sorted(slices.Values(l.waiting))
			assert.Len(t, slices.Compact(sorted), len(l.waiting), "each waits once")
		}
	})
}
