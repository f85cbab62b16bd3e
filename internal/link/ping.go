package link

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/transport"
)

// A connection that its server has dismissed, or whose endpoint has left the list, allows
// no check. A new one may lead to another machine, while its own may have gone. So its
// peer is asked by a PING. That it answers says nothing about the calls, which may take
// long. If nothing at all is received, it cannot answer them either.

// Servers allow few pings: see transport.Holder.Ping. A peer that goes after the last one
// is found by grpc's keepalive.
const (
	mostPings = 2                // while nothing is received for calls
	pingPause = 10 * time.Second // between them
)

// pings is what is known of the pings on a connection.
type pings struct {
	last     time.Time // when the last one was sent
	count    uint8     // since something was last received for a call
	unheeded bool      // nothing was received since the last one
	mark     transport.Mark
	patience time.Duration // how long an answer may take
}

// due reports whether a ping may be sent.
func (p *pings) due(now time.Time) bool {
	return p.count == 0 || p.count < mostPings && now.Sub(p.last) >= pingPause
}

// Ping asks the peer whether it is there, unless it was asked lately. An answer should take
// no longer than patience. It takes the lock.
func (c *Conn) Ping(patience time.Duration) {
	in, p := c.slot.link.env.Scope, &c.pings
	now := time.Now()
	in.Lock()
	due := p.due(now)
	in.Unlock()
	mark := c.Holder.Mark()
	if !due || !c.Holder.Ping() {
		return
	}
	in.Lock()
	defer in.Unlock()
	*p = pings{count: p.count + 1, last: now, unheeded: true, mark: mark, patience: patience}
}

// Unheeded returns for how long nothing was received after a ping, counted from resumed at
// the earliest, when this process last continued, and whether that is longer than an answer
// should take. It is 0 if there is nothing to wait for.
func (c *Conn) Unheeded(now, resumed time.Time) (waited time.Duration, late bool) {
	p := &c.pings
	if !p.unheeded {
		return 0, false
	}
	if signs := c.Holder.Since(p.mark); signs.Frame || signs.Draining {
		p.unheeded = false
		return 0, false
	}
	since := p.last
	if resumed.After(since) {
		since = resumed
	}
	waited = now.Sub(since)
	return waited, waited >= p.patience
}
