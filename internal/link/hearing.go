package link

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// hearing is what is received for the calls on a connection, as samples show it.
type hearing struct {
	Silence   machine.Silence
	LastHeard time.Time // when something was last received for a call; zero if never
	answers   uint64    // of calls, at the last sample
}

// Listen notes what was received for calls on the connection, whose counts are n. It reports
// whether that was anything since the last time, and whether the silence is a reason to ask
// the server. answered is when a probe was last answered on the connection; base and most
// are the limits of machine.Silence.
func (c *Conn) Listen(now time.Time, n report.CallStats, answered time.Time, base, most time.Duration) (heard, ask bool) {
	if n.Heard != c.answers {
		c.answers, c.LastHeard, heard = n.Heard, now, true
	}
	// What was received at the latest when a probe was answered may be that answer.
	if at := c.Holder.LastPayload(); at.After(c.LastHeard) && at.After(answered) {
		c.LastHeard, heard = at, true
	}
	if heard {
		c.pings.count = 0
	}
	c.Silence, ask = c.Silence.Next(machine.SilenceSample{At: now, Heard: c.LastHeard, Begun: n.Picked, InFlight: n.InFlight}, base, most)
	return heard, ask
}
