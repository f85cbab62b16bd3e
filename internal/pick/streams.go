package pick

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Many servers bound how many streams a connection may have at once. grpc lets calls
// beyond that wait on the connection, where they stay whatever becomes of the endpoint
// meanwhile. So no call is sent to a connection that has no stream left for it: it
// waits in grpc's picker, for the snapshot that follows when a stream ends.

// mostStreams is how many streams a client can open on one connection of HTTP/2 at all.
// A greater limit is none.
const mostStreams = 1 << 30

// SetStreamLimit sets how many streams the server allows on the connection at once.
// Calls get all but one, which is for probes, and all if it is only one. Until it is
// called there is no limit. It has a snapshot published if that may matter to calls.
func (c *Conn) SetStreamLimit(streams uint32) {
	room := int64(streams)
	switch {
	case streams >= mostStreams:
		room = 0
	case streams < 2:
		room++
	}
	c.streams.Store(room)
	if room != 0 && !c.room.limited.Swap(true) {
		c.room.waiting.Store(true) // calls must heed it from now on
	}
	c.room.freed()
}

// enter counts a call that is sent to the connection, unless the connection has no
// stream left for it.
func (c *Conn) enter() bool {
	for {
		n := c.admitted.Load()
		if !c.hasRoom(n) {
			return false
		}
		if c.admitted.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// hasRoom reports whether the connection had a stream left for a call when n was
// loaded from admitted. What ends afterwards makes the result true too early only if
// admitted changes as well.
func (c *Conn) hasRoom(n uint64) bool {
	room := c.streams.Load() // one more than calls may use; 0 is no limit
	return room == 0 || int64(n&^eligibleBit-c.heard.Load()-c.unheard.Load())+1 < room
}

// limited reports whether the connection has a limit of streams.
func (c *Conn) limited() bool { return c.streams.Load() != 0 }

// freed has a snapshot published if calls wait for a stream.
func (r *Room) freed() {
	if r.waiting.Load() && r.waiting.CompareAndSwap(true, false) {
		r.source.StreamEnded()
	}
}

// enter returns the connection that choose returns, and counts a call there. If another
// call has taken its last stream by then, choose is called again. If choose returns nil,
// enter notes that a call waits, and has choose look once more: a stream that ended
// before the note has published nothing.
func (p *Picker) enter(choose func() *Conn) *Conn {
	for waits := false; ; {
		c := choose()
		switch {
		case c != nil && c.enter():
			return c
		case c == nil && waits:
			return nil
		case c == nil:
			waits = true
			p.room.waiting.Store(true)
		}
	}
}

// enterFor is enter for a call, with choose. r is its record, if it has one.
func (p *Picker) enterFor(r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	if !p.limited {
		if c, trial = p.choose(r, now); c != nil {
			c.Step()
		}
		return c, trial
	}
	return p.enterWithin(r, now)
}

func (p *Picker) enterWithin(r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	c = p.enter(func() *Conn {
		if trial { // another call has taken the last stream
			c.SetTrial(true)
		}
		c, trial = p.choose(r, now)
		return c
	})
	return c, trial && c != nil
}

// mostNamed is how many connections an explanation names.
const mostNamed = 8

// FullError is the reason why a call waits although connections may be picked: they have
// as many calls as their servers allow.
type FullError struct {
	// Endpoints are the names of the first few endpoints. More is the number of the
	// others.
	Endpoints []string
	More      int
}

// Error returns one line, of bounded length.
func (e *FullError) Error() string {
	text := "no stream is left on the connections to " + strings.Join(e.Endpoints, ", ")
	if e.More > 0 {
		text += fmt.Sprintf(" and %d more", e.More)
	}
	return text
}

// explain returns why the picker has picked no connection.
func (p *Picker) explain() error {
	full := new(FullError)
	for _, c := range slices.Concat(p.conns.Slice(), p.Spare) {
		name := cleantext.Detail(c.name)
		switch {
		case !c.Eligible() && !p.Open, slices.Contains(full.Endpoints, name):
		case len(full.Endpoints) == mostNamed:
			full.More++
		default:
			full.Endpoints = append(full.Endpoints, name)
		}
	}
	if len(full.Endpoints) == 0 {
		return p.room.source.Explain()
	}
	return full
}
