package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestLinkGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	idle := Link{Phase: Waiting}
	first := Link{Phase: Connecting}
	up, good := Link{Phase: Ready}, Link{Phase: Ready, Proven: true}
	dismissed := func(p Phase, n int) Link { return Link{Phase: p, Dismissed: n} }
	end := Link{Phase: Closed}
	for _, c := range []struct {
		name    string
		from    Link
		event   LinkEvent
		to      Link
		effects LinkEffects
	}{
		{"an attempt begins", idle, LinkTry, first, LinkEffects{Dial: true}},
		{"nothing else happens while waiting", idle, LinkDown, idle, LinkEffects{}},
		{"no good news comes while waiting", idle, LinkUp, idle, LinkEffects{}},
		{"an attempt succeeds", first, LinkUp, up, LinkEffects{}},
		{"an attempt fails", first, LinkDown, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"an attempt under way is not hurried", first, LinkTry, first, LinkEffects{}},
		{"health proves a connection", up, LinkProven, good, LinkEffects{Reset: true}},
		{"once", good, LinkProven, good, LinkEffects{}},
		{"not before there is one", first, LinkProven, first, LinkEffects{}},
		{"a proven connection is replaced at once", good, LinkDown, first, LinkEffects{Retire: true, Dial: true, Lost: true}},
		{"unless another was lost just before", good, LinkDownAgain, idle, LinkEffects{Retire: true, BackOff: true, Lost: true}},
		{"which makes no difference to an attempt", first, LinkDownAgain, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"nor to a connection that is not proven", up, LinkDownAgain, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"another is paused over", up, LinkDown, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"unless the server has dismissed it", up, LinkDismissed, dismissed(Waiting, 1), LinkEffects{Retire: true, BackOff: true, Lost: true}},
		{"which is remembered", dismissed(Waiting, 1), LinkTry, dismissed(Connecting, 1), LinkEffects{Dial: true}},
		{"until there is a connection again", dismissed(Connecting, 1), LinkUp, dismissed(Ready, 1), LinkEffects{}},
		{"up to three times in a row", dismissed(Ready, 3), LinkDismissed, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"which a proof ends", dismissed(Ready, 3), LinkProven, good, LinkEffects{Reset: true}},
		{"a proven one is replaced at once then, too", good, LinkDismissed, first, LinkEffects{Retire: true, Dial: true, Lost: true}},
		{"a failed attempt begins anew", dismissed(Connecting, 2), LinkDown, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"a connection needs no attempt", good, LinkTry, good, LinkEffects{}},
		{"every phase can end", good, LinkClose, end, LinkEffects{Retire: true}},
		{"also while waiting", idle, LinkClose, end, LinkEffects{Retire: true}},
		{"the end is the end", end, LinkTry, end, LinkEffects{}},
		{"and ends once", end, LinkClose, end, LinkEffects{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.Next(c.event)
			assert.Equal(t, c.to, to)
			assert.Equal(t, c.effects, effects)
		})
	}
}

// The owner of a link makes one SubConn at each dial and gives it up at each
// retire: there must never be two, nor one without a phase that needs it.
func TestLinkHasAtMostOneSubConnForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Link
		subConns := 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			before := l
			var effects LinkEffects
			l, effects = l.Next(LinkEvent(rapid.IntRange(int(LinkTry), int(LinkClose)).Draw(t, "event")))
			if effects.Retire {
				subConns = 0
			}
			if effects.Dial {
				subConns++
			}
			needs := 0
			if l.Phase == Connecting || l.Phase == Ready {
				needs = 1
			}
			assert.Equal(t, needs, subConns)
			assert.Equal(t, effects.BackOff, l.Phase == Waiting && before.Phase != Waiting, "a pause at each failure, and no other")
			assert.False(t, effects.Lost && before.Phase != Ready)
		}
	})
}
