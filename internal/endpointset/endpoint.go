package endpointset

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// class is what an endpoint counts as in its set.
type class uint8

const (
	// out: it cannot serve now.
	out class = iota
	// undecided: it is on its way, and nothing speaks against it yet. While
	// nobody is eligible, calls wait for the undecided.
	undecided
	// eligible: it may be picked.
	eligible
)

// endpoint is one endpoint of a set. What is not marked immutable is guarded by
// Set.mu.
type endpoint struct {
	set     *Set
	name    string            // immutable
	checker *checking.Checker // immutable; nil if health checking is off
	// healthCheck is what the checker was made with; immutable.
	healthCheck healthcheck.Config
	// target is where health is asked for, nil for the connection of the calls;
	// service is what is asked for. Immutable.
	target  *target
	service string
	// hasToken: calls carry a token of the endpoint's own. Immutable.
	hasToken bool
	want     wanted // immutable; the weight, zone and priority in force stand below

	weight int    // its share of the calls
	zone   string // where it stands

	// What an active-passive set chooses by: see choosing.go.
	id       int
	priority int
	told     selector.Condition // what the choice was told of it last

	// stop ends the probes on a connection of their own, if there are such.
	stop context.CancelFunc
	link link
	conn *conn // nil while waiting
	// connErr is why there is no connection, nextTry when the next attempt is
	// due while waiting.
	connErr    error
	connReason report.Reason // of connErr
	nextTry    time.Time
	tries      int         // attempts to connect so far
	knocks     int         // under way
	timer      *time.Timer // ends the attempt while connecting, the pause while waiting
	backoff    *backoff.ExponentialBackOff

	// health is what the checker has found; channel is what grpc's own health
	// check has, where there is one.
	health  healthNow
	channel channelHealth
	// troubled since it last failed to connect or became unhealthy, until it is
	// eligible again: such an endpoint is nobody's hope (it is out rather than
	// undecided, however often it tries).
	troubled bool
	drained  bool
	unlisted bool // not in the list: no more, and picked until the new ones are decided; or not yet
	warming  bool // new in the list, and not decided yet

	// validation is that of the present connection; see Options.Validator.
	validation       validation
	validationDetail string
	validationTimer  *time.Timer // ends a pause; nil if there is none

	// replaces is the endpoint whose place this one is to take, nil if none;
	// patience ends the wait for that.
	replaces *endpoint
	patience *time.Timer

	ejection      ejection
	ejectionTimer *time.Timer // ends its phase; nil if admitted

	serves bool // servesLocked, at the last settling
	sick   bool // unhealthy, at the last settling

	shown       report.EndpointState // stateLocked, at the last settling; empty before the first
	shownReason report.Reason
	shownSince  time.Time

	heardAt     time.Time                // when a call was last seen answered
	transitions []report.TransitionCount // in order of their first
	ejections   uint64
	recorded    report.CallStats // what the metrics have of the calls
	picked      uint64           // the greatest Counts.Picked that was given

	class   class
	counted *pick.Conn // the one in Set.eligible, if eligible

	retired []*conn          // with calls in flight
	folded  report.CallStats // of retired conns without
}

// healthNow is the set's copy of an endpoint's health, to be had without the
// checker's lock.
type healthNow struct {
	state  report.HealthState
	reason report.Reason
	detail string
}

// channelHealth is what grpc's own health check says on the present connection.
type channelHealth struct {
	failing bool
	pending bool
	err     error
}

// stepLocked moves the link and does what follows from it.
func (e *endpoint) stepLocked(event linkEvent, err error) {
	before := e.link
	next, effects := before.next(event, len(e.want.addrs))
	e.link = next
	if (before.phase == ready) != (next.phase == ready) && e.set.cfg.NoneEligible == FailOpen {
		e.set.dirtyLocked() // the connected are what counts then
	}
	if effects.retire {
		e.retireLocked()
	}
	if effects.lost {
		e.lostLocked(err)
	}
	if effects.failed {
		e.troubled = true
		e.connErr, e.connReason = err, connectReason(err)
	}
	if effects.reset && e.backoff != nil {
		e.backoff.Reset()
	}
	switch {
	case effects.dial:
		e.dialLocked()
	case effects.backOff:
		now := time.Now()
		e.nextTry = now.Add(e.pauseLocked())
		e.armLocked(e.pauseOrKnockLocked(now))
	case e.link.phase == ready || e.link.phase == closed:
		e.disarmLocked()
	}
	e.settleLocked()
}

// lostLocked forgets what was known by way of a connection that is gone.
func (e *endpoint) lostLocked(err error) {
	e.connErr, e.connReason = err, report.ReasonConnectionLost
	e.channel = channelHealth{}
	if e.health.state != report.Unhealthy {
		e.health = healthNow{state: report.HealthUnknown, reason: report.ReasonConnectionLost}
	}
	if e.checker != nil {
		e.set.after = append(e.set.after, func() { e.checker.Reset(report.ReasonConnectionLost) })
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
	return min(e.backoff.NextBackOff(), maxPause) // the jitter reaches beyond its interval
}

// armLocked sets the endpoint's one timer.
func (e *endpoint) armLocked(d time.Duration) {
	e.disarmLocked()
	e.set.armLocked(&e.timer, d, func() {
		if e.link.phase == waiting {
			e.wakeLocked()
		} else {
			e.stepLocked(linkDown, errConnectTimeout)
		}
	})
}

var errConnectTimeout = fmt.Errorf("no connection within %v", connectTimeout)

func (e *endpoint) disarmLocked() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
}

// classifyLocked says what the endpoint counts as now.
func (e *endpoint) classifyLocked() class {
	if e.drained || e.link.phase == closed {
		return out
	}
	switch e.standingLocked() {
	case selector.Fit, selector.Suspect:
		return eligible
	case selector.Undecided:
		return undecided
	default:
		return out
	}
}

// standingLocked says what speaks for the endpoint, drained or not.
func (e *endpoint) standingLocked() selector.Standing {
	switch {
	case e.servesLocked() && e.ejection.phase != admitted:
		return selector.Out
	case e.servesLocked() && e.health.state == report.Suspect:
		return selector.Suspect
	case e.servesLocked():
		return selector.Fit
	case e.troubled || e.channel.failing || e.validation.failed() || e.health.state == report.Unhealthy:
		return selector.Out
	default:
		return selector.Undecided
	}
}

// servesLocked tells whether the endpoint could be picked, drained or not.
func (e *endpoint) servesLocked() bool {
	usable := e.health.state == report.Healthy || e.health.state == report.Suspect
	return e.link.phase == ready && usable && !e.channel.failing && !e.channel.pending && e.validatedLocked()
}

// settleLocked brings the endpoint's class, and the set's accounts of classes,
// up to date with the rest of its state. It takes the same time however large
// the set is.
func (e *endpoint) settleLocked() {
	s, was := e.set, e.class
	e.class = e.classifyLocked()
	if serves := e.servesLocked(); serves != e.serves {
		e.serves = serves
		e.offerTrialLocked()
	}
	if e.serves {
		e.troubled = false
		var effects linkEffects
		e.link, effects = e.link.next(linkProven, len(e.want.addrs))
		if effects.reset && e.backoff != nil {
			e.backoff.Reset()
		}
	} else if e.class == out && !e.drained {
		e.troubled = true
	}
	e.admitLocked()
	if e.class != was {
		s.reclassLocked(e, was)
	}
	e.observeLocked()
	s.rescueLocked(e, was)
	e.showLocked()
	if e.warming && e.class != undecided {
		e.warming = false
		s.warming--
		s.releaseLocked()
	}
	if e.replaces != nil && e.class != undecided {
		s.renewedLocked(e)
	}
}

// addressText is the endpoint's address for people.
func (e *endpoint) addressText() string {
	if e.conn != nil {
		return e.conn.address.Addr
	}
	return e.want.addrs[0].Addr
}

// transition hears of a change of the endpoint's health, from its checker.
func (e *endpoint) transition(t report.HealthTransition) {
	s := e.set
	s.mu.Lock()
	defer s.unlock()
	if s.closed || e.link.phase == closed {
		return
	}
	e.health = healthNow{state: t.To, reason: t.Reason, detail: t.Detail}
	if t.To == report.Healthy {
		e.validateLocked(e.conn, nowHealthy)
	}
	e.settleLocked()
}
