package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// moving holds the connections whose streams are to end, unless their endpoint is
// picked again by then.
type moving map[*conn]*scope.Timer

func (m moving) stop() {
	for _, t := range m {
		t.Stop()
	}
	clear(m)
}

// moveStreams lets the streams on the endpoint that was active run for the time
// Failover.Drain. If the server does not answer, they end at once: they would wait for
// nothing. Other calls there may finish. The time starts again if the endpoint ceases
// to be active a second time.
func (c *choice) moveStreams(sw selector.Switch) {
	if e := c.last; e != nil {
		e.endStreamsLocked(&explain.MovedError{From: sw.From.Name, To: sw.To.Name, Reason: sw.Reason}, c.set.cfg.Failover.Drain)
	}
}

// leaveStreamsLocked lets the streams on an endpoint that has just been drained, become
// unhealthy or left the list run for the time StreamDrain, with a policy that picks more
// than one endpoint.
func (e *endpoint) leaveStreamsLocked(was judge.Judgement) {
	s := e.set
	if s.choice != nil || s.cfg.StreamDrain == 0 || s.scope.Closed() {
		return
	}
	why := e.was.Reason
	switch {
	case e.drained && was.State != report.StateDrained:
		why = report.ReasonDrained
	case e.was.Sick && !was.Sick:
	case e.link.Phase() == machine.Closed && !e.leavingSince.IsZero():
		why = report.ReasonLeftList
	default:
		return
	}
	e.endStreamsLocked(&explain.MovedError{From: e.name, Reason: why}, s.cfg.StreamDrain)
}

// endStreamsLocked sets the timers that end the streams on the endpoint's connections.
func (e *endpoint) endStreamsLocked(why *explain.MovedError, after time.Duration) {
	for _, k := range append([]*conn{e.conn}, e.retired...) {
		if k != nil {
			k.endStreams(why, after)
		}
	}
}

// endStreams sets the timer that ends the streams on one connection. The set's lock is held.
func (c *conn) endStreams(why *explain.MovedError, after time.Duration) {
	s := c.endpoint.set
	t := s.moving[c]
	if t == nil {
		t = new(scope.Timer)
		s.moving[c] = t
	}
	if s.choice != nil && c.muteLocked(time.Now()) {
		after = 0
	}
	t.Arm(s.scope, after, func() {
		delete(s.moving, c)
		switch {
		case c.staysLocked():
		case s.choice == nil && c.endpoint.was.Sick && !s.pickableLocked():
			c.endStreams(why, after) // they have nowhere to go
		default:
			s.scope.After(func() { c.EndStreams(why) })
		}
	})
}

// staysLocked reports whether calls go to the connection's endpoint again.
func (c *conn) staysLocked() bool {
	e := c.endpoint
	if choice := e.set.choice; choice != nil {
		return choice.active != nil && choice.active.id == e.id // a renewed endpoint has the same id
	}
	return e.was.Class == judge.Eligible
}
