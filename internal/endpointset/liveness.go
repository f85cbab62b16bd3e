package endpointset

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/report"
)

// Whether the peer of a connection answers is asked on that very connection: its
// server may be well and answer everywhere else. If the endpoint's health is checked
// on the connection of the calls, the probes show that too. If it is checked
// elsewhere, the connection has a Checker of its own, its pulse, for which any answer
// counts. The pulse checks once when the connection is made, and the connection is not
// used before that is answered. Then it checks only when calls are silent.

// liveness is what is known of the peer of one connection. The set's lock guards it.
type liveness struct {
	pulse *checking.Checker // nil if the endpoint's health is checked on this connection
	state judge.Liveness    // as the pulse shows it
	why   judge.Why         // why it is not alive
}

// The states of a pulse as facts of a judge.
var livenessFacts = map[report.HealthState]judge.Liveness{
	report.HealthUnknown: judge.Unproven, report.Healthy: judge.Alive, report.Suspect: judge.Silent, report.Unhealthy: judge.Dead,
}

// pulseLocked starts the pulse of a connection.
func (c *conn) pulseLocked() {
	e := c.endpoint
	settings := e.healthCheck.Settings()
	settings.Idle = healthcheck.MaxSetting
	c.pulse = checking.New(e.name, settings, checking.Options{Budget: e.set.budget, OnTransition: c.pulsed})
	c.state = judge.Unproven
	c.cancel = c.Go(func(ctx context.Context, cc grpc.ClientConnInterface) {
		c.pulse.Run(ctx, checking.Probes{
			Check:    probes.Alive{Check: c.Check(healthcheck.GRPCCheck(cc, "", healthcheck.GRPCOptions{}), cc)},
			Fallback: probes.Alive{Check: &fallback{endpoint: e, conn: c}},
			Line:     c.Line(c.stuck),
		})
	})
}

// pulsed handles a change of the pulse.
func (c *conn) pulsed(t checking.Transition) {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || e.conn != c {
		return
	}
	c.state, c.why = livenessFacts[t.To], judge.Why{}
	if c.state == judge.Silent || c.state == judge.Dead {
		c.why = judge.Why{Reason: report.ReasonSilence, Detail: fmt.Sprintf("on the connection of the calls: %s", t.Reason)}
	}
	e.applyLocked()
}

// stuck makes another connection take the place of this one, on which the calls in flight
// may finish.
func (c *conn) stuck(text string) {
	e, s := c.endpoint, c.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if !s.scope.Closed() && e.conn == c {
		e.replaceConnLocked(fmt.Sprintf("no check was answered for %v on its connection, %s", checking.StuckAfter, text))
	}
}

// listenLocked notes what was received for calls on a connection, and reports whether
// its silence is a reason to ask the server.
func (c *conn) listenLocked(now time.Time, n report.CallStats, base, most time.Duration) (ask bool) {
	heard, ask := c.Listen(now, n, c.answered(), base, most)
	if heard {
		c.retirement.fails = 0
	}
	return ask
}

// askLocked has the peer of the endpoint's connection asked at once whether it
// answers.
func (e *endpoint) askLocked() {
	switch c := e.conn; {
	case c.pulse != nil && c.state == judge.Alive:
		c.pulse.ProbeNow()
	case e.target == nil && e.health.State == report.Healthy:
		e.checker.ProbeNow()
	}
}

// closeIfDeadLocked closes a connection if no frame was read from it, and no call or
// probe on it was answered, for DeadAfter, during which this process ran. reason is
// why its peer is taken for dead.
func (c *conn) closeIfDeadLocked(now time.Time, reason report.Reason) {
	s := c.endpoint.set
	last := c.LastHeard
	for _, t := range []time.Time{c.answered(), c.Holder.LastFrame(), s.sampler.resumed} {
		if t.After(last) {
			last = t
		}
	}
	if now.Sub(last) >= s.cfg.DeadAfter {
		c.closeDeadLocked(now, last, reason)
	}
}

// closeDeadLocked closes a connection, whose last sign of life was at last.
func (c *conn) closeDeadLocked(now, last time.Time, reason report.Reason) {
	if c.Killed() || !c.Holder.Held() {
		return
	}
	c.Kill(fmt.Errorf("endpoint %q has shown no sign of life for %v (%s)", c.endpoint.name, explain.Roughly(now.Sub(last)), reason))
}

// muteLocked reports whether the peer of a connection answers neither checks nor calls.
// Without a Holder that is not known of streams.
func (c *conn) muteLocked(now time.Time) bool {
	e := c.endpoint
	unanswered := e.was.Reason == report.ReasonProbeTimeout || e.was.Reason == report.ReasonSilence
	return e.was.Sick && unanswered && c.Holder.Held() && now.Sub(c.Holder.LastPayload()) >= e.set.cfg.HealthCheck.Silence
}

// answered returns when a probe was last answered on this connection.
func (c *conn) answered() time.Time {
	switch e := c.endpoint; {
	case c.pulse != nil:
		return c.pulse.Answered()
	case e.conn != c || e.target != nil || e.checker == nil:
		return time.Time{} // later probes ran on another connection
	default:
		return e.checker.Answered()
	}
}
