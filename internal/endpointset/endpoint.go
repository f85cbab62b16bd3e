package endpointset

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/internal/recertify"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
)

// endpoint is one endpoint of a set. The set's lock guards every field that is not marked
// immutable. The current judgement is was; it follows from the facts, see judging.go.
type endpoint struct {
	set  *Set
	name string          // immutable
	want wanted.Endpoint // immutable; the current addresses, weight, zone and priority are below
	asked

	listed
	id int // in an active-passive set; see choosing.go

	// Facts.
	link     machine.Link
	linkWhy  judge.Why // why there is no connection; kept until the next one reports
	refused  bool      // linkWhy is that the server's machine refused the connection
	drained  bool
	unlisted bool // not in the list: it is leaving (see leaving.go), or has not joined yet
	healths
	validated
	ejecting

	was   judge.Judgement // the current judgement, as reported
	since time.Time       // when was.State last changed

	joins *handover // the handover that waits for its decision; nil if none does
	leaving
	conn *conn // nil unless connected
	dialing
	recertified recertify.Renewal
	racing

	accounts
	counted *pick.Conn // the conn in Set.eligible, if eligible
}

// listed is what the newest list says of an endpoint, whose connection stays if it changes.
type listed struct {
	addrs    []resolver.Address // raced in this order; at least one
	weight   int                // its share of the calls
	zone     string             // the zone it is in
	priority int                // lower is preferred
}

// leaving is what matters once an endpoint has left the list.
type leaving struct {
	served       bool      // it has been eligible
	leavingSince time.Time // when it left the list; zero if it has not
	superseded   bool      // an endpoint of the same name has joined the list, and has all further events
}

// healths is what is known of the endpoint's health.
type healths struct {
	health        judge.Health
	heardOf       uint64        // the number of the checker's transition that set health
	channel       judge.Channel // what grpc's own health check reports, if there is one
	channelDetail string
}

// asked is how an endpoint's health is checked. It is immutable except stop.
type asked struct {
	checker *checking.Checker // nil if health checking is off
	// healthCheck is what the checker was created with.
	healthCheck healthcheck.Config
	// target is where health is checked, nil for the connection of the calls; service
	// is the service that is checked.
	target  *probes.Target
	service string
	// stop ends the probes on a connection of their own, if there are any.
	stop context.CancelFunc
}

// dialing is how an endpoint gets a connection.
type dialing struct {
	nextTry time.Time // when the next attempt is due, while waiting
	due     bool      // it is due, and waits for grpc's own pause
	slow    bool      // connectTimeout is over, and the attempt goes on
	lost    time.Time // when a connection that had proven itself was last replaced at once
	tries   int       // attempts so far
	began   time.Time // when the newest one began
	// progress is how far the newest attempt has come, as the channel's dialer and
	// credentials report it.
	progress transport.Progress
	knocks   int           // knocks under way
	knocked  time.Time     // when the last one began
	rest     time.Duration // how long grpc itself has paused after the last failed attempt
	timer    scope.Timer   // ends connectTimeout while connecting, or the pause while waiting
	backoff  *backoff.ExponentialBackOff
}

// validated is what is known of the identity of the server on the present connection;
// see Options.Validator.
type validated struct {
	validation       machine.Validation
	validationDetail string
	validationTimer  scope.Timer // ends a pause
}

// ejecting is what calls show about the endpoint.
type ejecting struct {
	ejection      machine.Ejection
	ejectionTimer scope.Timer // ends its phase; armed unless admitted
	ejections     uint64
}

// accounts is what an endpoint has counted.
type accounts struct {
	heardAt     time.Time                // when a call was last seen answered
	transitions []report.TransitionCount // in order of their first occurrence
	recorded    report.CallStats         // what the metrics have of the calls
	picked      uint64                   // the greatest CallStats.Picked that was returned
	retired     []*conn                  // conns with calls in flight
	folded      report.CallStats         // counts of retired conns without
}

// stepLocked moves the link and carries out the effects.
func (e *endpoint) stepLocked(event machine.LinkEvent, err error) {
	event = e.lossLocked(event)
	before := e.link
	next, effects := before.Next(event)
	e.link = next
	if (before.Phase == machine.Ready) != (next.Phase == machine.Ready) && e.set.cfg.NoneEligible == settings.FailOpen {
		e.set.pub.mark() // connected endpoints then count
	}
	if effects.Retire {
		e.retireLocked()
	}
	if effects.Lost {
		e.lostLocked(err)
	}
	pending := before.Phase == machine.Connecting && e.inconclusiveLocked(err)
	if effects.Failed && !pending {
		e.was.Memory.Troubled = true
		e.linkWhy = judge.Why{Reason: explain.ConnectReason(err), Detail: cleantext.Detail(explain.ErrorText(err))}
		e.refused = errors.Is(err, syscall.ECONNREFUSED)
	}
	if effects.Reset && e.backoff != nil {
		e.backoff.Reset()
	}
	switch {
	case effects.Dial:
		e.dialLocked()
	case effects.BackOff:
		now := time.Now()
		e.nextTry = now
		if !pending { // otherwise the attempt was the pause
			e.nextTry = now.Add(e.pauseLocked())
		}
		e.armLocked(e.pauseOrKnockLocked(now))
	case e.link.Phase == machine.Ready || e.link.Phase == machine.Closed:
		e.timer.Stop()
	}
	if e.link.Phase == machine.Closed {
		e.closeSlotsLocked()
	}
	e.applyLocked()
}

// lostLocked discards what was known through a connection that is gone.
func (e *endpoint) lostLocked(err error) {
	e.linkWhy = judge.Why{Reason: report.ReasonConnectionLost, Detail: cleantext.Detail(explain.ErrorText(err))}
	e.channel, e.channelDetail = judge.Unheard, ""
	if e.health.State != report.Unhealthy {
		e.health = judge.Health{State: report.HealthUnknown, Why: judge.Why{Reason: report.ReasonConnectionLost}}
	}
	if e.checker != nil {
		t, _ := e.checker.Take(checking.Event{Kind: checking.EventReset, Reason: report.ReasonConnectionLost})
		e.heardOf = t.Number // what was found before is out of date, delivered or not
	}
}

// The pauses between attempts to connect.
const (
	minPause    = 100 * time.Millisecond
	maxPause    = 10 * time.Second
	pauseGrowth = 1.6
	pauseJitter = 0.2
)

func (e *endpoint) pauseLocked() time.Duration {
	if e.backoff == nil {
		e.backoff = backoff.NewExponentialBackOff(backoff.WithInitialInterval(minPause),
			backoff.WithMaxInterval(maxPause), backoff.WithMultiplier(pauseGrowth),
			backoff.WithRandomizationFactor(pauseJitter), backoff.WithMaxElapsedTime(0))
	}
	return min(e.backoff.NextBackOff(), maxPause) // the jitter exceeds the interval
}

// armLocked sets the endpoint's timer.
func (e *endpoint) armLocked(d time.Duration) {
	due := time.Now().Add(d)
	e.timer.Arm(e.set.scope, d, func() {
		switch {
		case e.link.Phase == machine.Waiting:
			e.wakeLocked()
		case time.Since(due) > connectTimeout/lateness: // this process did not run
			e.armLocked(connectTimeout)
		default:
			e.slowLocked()
		}
	})
}

// timedOutLocked returns the error of an attempt to connect that takes too long.
func (e *endpoint) timedOutLocked() error {
	text := fmt.Sprintf("no connection within %v", connectTimeout)
	if phase, _ := e.progress.Now(); phase != "" {
		text += ": " + phase.Waits()
	}
	return errors.New(text)
}

// phaseLocked returns the phase of the attempt to connect, and since when it lasts.
func (e *endpoint) phaseLocked() (report.ConnectPhase, time.Time) {
	switch {
	case e.link.Phase == machine.Connecting:
		return e.progress.Now()
	case e.was.State == report.StateUnknown && e.health.State == report.HealthUnknown && e.channel == judge.Passing:
		return report.PhaseProbe, e.since
	default:
		return "", time.Time{}
	}
}

// addressText returns the endpoint's address as text.
func (e *endpoint) addressText() string {
	if e.conn != nil {
		return e.conn.address.Addr
	}
	return e.addrs[0].Addr
}

// transition handles a change of the endpoint's health, from its checker.
func (e *endpoint) transition(t checking.Transition) {
	s := e.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || e.link.Phase == machine.Closed || t.Number <= e.heardOf {
		return
	}
	e.takeLocked(t)
}

// doubtLocked makes a healthy endpoint suspect and has it probed at once.
func (e *endpoint) doubtLocked(why report.Reason) {
	if t, changed := e.checker.Take(checking.Event{Kind: checking.EventDoubt, Reason: why}); changed {
		e.takeLocked(t)
	}
}

// takeLocked applies a change of the endpoint's health, or of what is known about it.
func (e *endpoint) takeLocked(t checking.Transition) {
	e.heardOf = t.Number
	e.health = judge.Health{State: t.To, Why: judge.Why{Reason: t.Reason, Detail: t.Detail}}
	if t.To == report.Healthy && t.From != t.To {
		e.validateLocked(e.conn, machine.NowHealthy)
	}
	e.applyLocked()
}
