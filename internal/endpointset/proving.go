package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/machine"
)

// A connection proves itself by an answer of the server: to a probe on it, or to a
// call. If neither has to happen, since health is checked elsewhere or not at all and
// there are no calls, it proves itself by its age. So a server or a balancer that
// accepts connections and closes them is tried after pauses that grow.
const provenAge = time.Second

// A connection that has proven itself is replaced at once when it is lost, but no more
// often than this: otherwise a server that answers a probe and hangs up would get
// hundreds of connections a second.
const replaceEvery = minPause

// lossLocked returns the event to apply: for the loss of a connection it first
// determines whether the connection had proven itself, whether it may be replaced at
// once, and whether the server has dismissed it.
func (e *endpoint) lossLocked(event machine.LinkEvent) machine.LinkEvent {
	if event != machine.LinkDown || e.link.Phase != machine.Ready {
		return event
	}
	now := time.Now()
	if c := e.conn; c.Heard() > 0 || now.Sub(c.ready) >= provenAge {
		e.provenLocked()
	}
	if e.link.Proven && now.Sub(e.lost) < replaceEvery {
		return machine.LinkDownAgain
	}
	if !e.link.Proven && e.conn.holder.Dismissed() {
		return machine.LinkDismissed
	}
	e.lost = now
	return event
}

// provenLocked notes that the connection has proven itself.
func (e *endpoint) provenLocked() {
	var effects machine.LinkEffects
	e.link, effects = e.link.Next(machine.LinkProven)
	if effects.Reset && e.backoff != nil {
		e.backoff.Reset()
	}
}
