package endpointset

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestLinkGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	idle := link{phase: waiting}
	first, second := link{phase: connecting}, link{phase: connecting, addr: 1}
	up, good := link{phase: ready}, link{phase: ready, proven: true}
	end := link{phase: closed}
	for _, c := range []struct {
		name    string
		from    link
		event   linkEvent
		addrs   int
		to      link
		effects linkEffects
	}{
		{"an attempt begins with the first address", idle, linkTry, 2, first, linkEffects{dial: true}},
		{"nothing else happens while waiting", idle, linkDown, 1, idle, linkEffects{}},
		{"no good news comes while waiting", idle, linkUp, 1, idle, linkEffects{}},
		{"an attempt succeeds", first, linkUp, 1, up, linkEffects{}},
		{"an attempt on a later address succeeds", second, linkUp, 2, link{phase: ready, addr: 1}, linkEffects{}},
		{"the next address is tried after a failure", first, linkDown, 2, second, linkEffects{retire: true, dial: true}},
		{"after the last address comes a pause", second, linkDown, 2, idle, linkEffects{retire: true, backOff: true, failed: true}},
		{"the only address is also the last", first, linkDown, 1, idle, linkEffects{retire: true, backOff: true, failed: true}},
		{"an attempt under way is not hurried", first, linkTry, 1, first, linkEffects{}},
		{"health proves a connection", up, linkProven, 1, good, linkEffects{reset: true}},
		{"once", good, linkProven, 1, good, linkEffects{}},
		{"not before there is one", first, linkProven, 1, first, linkEffects{}},
		{"a proven connection is replaced at once", good, linkDown, 1, first, linkEffects{retire: true, dial: true, lost: true}},
		{"another is paused over", up, linkDown, 1, idle, linkEffects{retire: true, backOff: true, lost: true, failed: true}},
		{"a connection needs no attempt", good, linkTry, 1, good, linkEffects{}},
		{"every phase can end", good, linkClose, 1, end, linkEffects{retire: true}},
		{"also while waiting", idle, linkClose, 1, end, linkEffects{retire: true}},
		{"the end is the end", end, linkTry, 1, end, linkEffects{}},
		{"and ends once", end, linkClose, 1, end, linkEffects{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.next(c.event, c.addrs)
			assert.Equal(t, c.to, to)
			assert.Equal(t, c.effects, effects)
		})
	}
}

// The owner of a link makes one SubConn at each dial and gives it up at each
// retire: there must never be two, nor one without a phase that needs it.
func TestLinkHasAtMostOneSubConnForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addrs := rapid.IntRange(1, 4).Draw(t, "addresses")
		var l link
		subConns := 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			before := l
			var effects linkEffects
			l, effects = l.next(linkEvent(rapid.IntRange(int(linkTry), int(linkClose)).Draw(t, "event")), addrs)
			if effects.retire {
				subConns = 0
			}
			if effects.dial {
				subConns++
			}
			needs := 0
			if l.phase == connecting || l.phase == ready {
				needs = 1
			}
			assert.Equal(t, needs, subConns)
			assert.Less(t, l.addr, addrs)
			assert.Equal(t, effects.backOff, l.phase == waiting && before.phase != waiting, "a pause at each failure, and no other")
			assert.False(t, effects.lost && before.phase != ready)
		}
	})
}
