package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestLinkGoesFromEachPhaseWhereTheTableSays(t *testing.T) {
	idle := Link{Phase: Waiting}
	first, second := Link{Phase: Connecting}, Link{Phase: Connecting, Addr: 1}
	up, good := Link{Phase: Ready}, Link{Phase: Ready, Proven: true}
	dismissed := func(p Phase, n int) Link { return Link{Phase: p, Dismissed: n} }
	end := Link{Phase: Closed}
	for _, c := range []struct {
		name    string
		from    Link
		event   LinkEvent
		addrs   int
		to      Link
		effects LinkEffects
	}{
		{"an attempt begins with the first address", idle, LinkTry, 2, first, LinkEffects{Dial: true}},
		{"nothing else happens while waiting", idle, LinkDown, 1, idle, LinkEffects{}},
		{"no good news comes while waiting", idle, LinkUp, 1, idle, LinkEffects{}},
		{"an attempt succeeds", first, LinkUp, 1, up, LinkEffects{}},
		{"an attempt on a later address succeeds", second, LinkUp, 2, Link{Phase: Ready, Addr: 1}, LinkEffects{}},
		{"the next address is tried after a failure", first, LinkDown, 2, second, LinkEffects{Retire: true, Dial: true}},
		{"after the last address comes a pause", second, LinkDown, 2, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"the only address is also the last", first, LinkDown, 1, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"an attempt under way is not hurried", first, LinkTry, 1, first, LinkEffects{}},
		{"health proves a connection", up, LinkProven, 1, good, LinkEffects{Reset: true}},
		{"once", good, LinkProven, 1, good, LinkEffects{}},
		{"not before there is one", first, LinkProven, 1, first, LinkEffects{}},
		{"a proven connection is replaced at once", good, LinkDown, 1, first, LinkEffects{Retire: true, Dial: true, Lost: true}},
		{"unless another was lost just before", good, LinkDownAgain, 1, idle, LinkEffects{Retire: true, BackOff: true, Lost: true}},
		{"which makes no difference to an attempt", first, LinkDownAgain, 2, second, LinkEffects{Retire: true, Dial: true}},
		{"nor to a connection that is not proven", up, LinkDownAgain, 1, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"another is paused over", up, LinkDown, 1, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"unless the server has dismissed it", up, LinkDismissed, 1, dismissed(Waiting, 1), LinkEffects{Retire: true, BackOff: true, Lost: true}},
		{"which is remembered", dismissed(Waiting, 1), LinkTry, 1, dismissed(Connecting, 1), LinkEffects{Dial: true}},
		{"on each address", dismissed(Connecting, 1), LinkDown, 2, Link{Phase: Connecting, Addr: 1, Dismissed: 1}, LinkEffects{Retire: true, Dial: true}},
		{"until there is a connection again", dismissed(Connecting, 1), LinkUp, 1, dismissed(Ready, 1), LinkEffects{}},
		{"up to three times in a row", dismissed(Ready, 3), LinkDismissed, 1, idle, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}},
		{"which a proof ends", dismissed(Ready, 3), LinkProven, 1, good, LinkEffects{Reset: true}},
		{"a proven one is replaced at once then, too", good, LinkDismissed, 1, first, LinkEffects{Retire: true, Dial: true, Lost: true}},
		{"a failed attempt begins anew", dismissed(Connecting, 2), LinkDown, 1, idle, LinkEffects{Retire: true, BackOff: true, Failed: true}},
		{"a connection needs no attempt", good, LinkTry, 1, good, LinkEffects{}},
		{"every phase can end", good, LinkClose, 1, end, LinkEffects{Retire: true}},
		{"also while waiting", idle, LinkClose, 1, end, LinkEffects{Retire: true}},
		{"the end is the end", end, LinkTry, 1, end, LinkEffects{}},
		{"and ends once", end, LinkClose, 1, end, LinkEffects{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, effects := c.from.Next(c.event, c.addrs)
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
		var l Link
		subConns := 0
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			before := l
			var effects LinkEffects
			l, effects = l.Next(LinkEvent(rapid.IntRange(int(LinkTry), int(LinkClose)).Draw(t, "event")), addrs)
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
			assert.Less(t, l.Addr, addrs)
			assert.Equal(t, effects.BackOff, l.Phase == Waiting && before.Phase != Waiting, "a pause at each failure, and no other")
			assert.False(t, effects.Lost && before.Phase != Ready)
		}
	})
}
