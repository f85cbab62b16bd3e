package pick

import (
	"context"
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
// waits in its pick; see waiting.go.

// mostStreams is how many streams a client can open on one connection of HTTP/2 at all.
// A greater limit is none.
const mostStreams = 1 << 30

// SetStreamLimit sets how many streams the server allows on the connection at once.
// Calls get all but one, which is for probes, and all if it is only one. Until it is
// called there is no limit. The first limit of a room has a snapshot published.
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
		c.room.source.Republish()
	}
	c.room.waiting.freed()
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

// enterFor counts a call on the connection for it, and returns that. r is the record of
// the call, if it has one. It returns nil if the call has to wait for another snapshot.
func (p *Picker) enterFor(ctx context.Context, r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	if p.limited {
		return p.enterWithin(ctx, r, now)
	}
	if c, trial = p.choose(r, now); c != nil {
		c.Step()
	}
	return c, trial
}

// enterWithin is enterFor within the limits of streams. A call does not overtake those
// that wait.
func (p *Picker) enterWithin(ctx context.Context, r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	if !p.room.waiting.any() {
		if c, trial = p.enterNow(r, now); c != nil {
			return c, trial
		}
	}
	if ctx == nil || !p.awaitsStream(r) {
		return nil, false
	}
	r.Refused(p.explain)
	p.room.waiting.await(ctx, p, func() bool {
		c, trial = p.enterNow(r, p.now())
		return c != nil || !p.awaitsStream(r)
	}, p.room.source.Republish)
	return c, trial
}

// enterNow counts a call on the connection that choose returns, and returns that. If
// another call has taken its last stream by then, choose is called again.
func (p *Picker) enterNow(r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	for {
		if c, trial = p.choose(r, now); c == nil || c.enter() {
			return c, trial
		}
		if trial {
			c.SetTrial(true)
		}
	}
}

// awaitsStream reports whether a call for which there is no connection waits for a
// stream. A hedge does not wait. Without an eligible connection a call waits for another
// snapshot, as does one that has failed on the active endpoint while that is doubted. A
// call does not wait for an endpoint that has rejected its token.
func (p *Picker) awaitsStream(r *attempt.Record) bool {
	if r.IsHedge() {
		return false
	}
	for c := range p.all() {
		if (c.Eligible() || p.Open) && (r == nil || (!c.doubted.Load() || !r.Tried(c.name)) && !r.Denied(c.name)) {
			return true
		}
	}
	return false
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
