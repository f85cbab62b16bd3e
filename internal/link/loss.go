package link

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/machine"
)

// ProvenAge is the age at which a connection has proven itself. It also proves itself by an
// answer of the server: to a probe on it, or to a call. If neither has to happen, since
// health is checked elsewhere or not at all and there are no calls, only its age does. So a
// server or a balancer that accepts connections and closes them is tried after pauses that
// grow.
const ProvenAge = time.Second

// ReplaceEvery is the least time between two connections of which the second replaces the
// first at once, as it does if that had proven itself: otherwise a server that answers a
// probe and hangs up would get hundreds of connections a second.
const ReplaceEvery = MinPause

// loss returns the event to apply: for the loss of a connection it first determines
// whether the connection had proven itself, whether it may be replaced at once, and
// whether the server has dismissed it.
func (l *Link) loss(event machine.LinkEvent) machine.LinkEvent {
	if event != machine.LinkDown || l.state.Phase != machine.Ready {
		return event
	}
	now := time.Now()
	if c := l.conn; c.Heard() > 0 || now.Sub(c.ready) >= ProvenAge {
		l.Prove()
	}
	if l.state.Proven && now.Sub(l.lost) < ReplaceEvery {
		return machine.LinkDownAgain
	}
	if !l.state.Proven && l.conn.Holder.Dismissed() {
		return machine.LinkDismissed
	}
	l.lost = now
	return event
}

// Prove notes that the connection has proven itself.
func (l *Link) Prove() {
	var effects machine.LinkEffects
	l.state, effects = l.state.Next(machine.LinkProven)
	if effects.Reset {
		l.resetPause()
	}
}
