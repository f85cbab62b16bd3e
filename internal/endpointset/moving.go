package endpointset

import (
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// MovedError is why a stream was ended: its endpoint is no longer the active one.
type MovedError struct {
	From, To string
	Reason   report.Reason
}

// Error returns a text with the two endpoints and the reason.
func (e *MovedError) Error() string {
	return fmt.Sprintf("endpoint %q is not the active one any more (%s): %q is",
		cleantext.Detail(e.From), e.Reason, cleantext.Detail(e.To))
}

// moving holds the connections whose streams are to end, unless their endpoint is
// active again by then.
type moving map[*conn]*time.Timer

func (m moving) stop() {
	for _, t := range m {
		t.Stop()
	}
	clear(m)
}

// moveStreams lets the streams on the endpoint that was active run for the time
// Failover.Drain. Other calls there may finish. The time starts again if the endpoint
// ceases to be active a second time.
func (c *choice) moveStreams(sw selector.Switch) {
	e := c.last
	if e == nil {
		return
	}
	why := &MovedError{From: sw.From.Name, To: sw.To.Name, Reason: sw.Reason}
	for _, k := range append([]*conn{e.conn}, e.retired...) {
		if k != nil {
			k.endStreams(why)
		}
	}
}

// endStreams sets the timer that ends the streams on one connection. Set.mu is held.
func (c *conn) endStreams(why *MovedError) {
	s := c.endpoint.set
	m := s.choice.moving
	if t := m[c]; t != nil {
		t.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(s.cfg.Failover.Drain, func() {
		s.mu.Lock()
		defer s.unlock()
		if s.closed || m[c] != t {
			return // overtaken by another change
		}
		delete(m, c)
		if a := s.choice.active; a == nil || a.id != c.endpoint.id { // a renewed endpoint has the same id
			s.after = append(s.after, func() { c.EndStreams(why) })
		}
	})
	m[c] = t
}
