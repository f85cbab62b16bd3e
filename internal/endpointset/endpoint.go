package endpointset

import (
	"context"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/internal/recertify"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
	ours "github.com/cantonlb/cantonlb/resolver"
)

// endpoint is one endpoint of a set. The set's lock guards every field that is not marked
// immutable. The current judgement is was; it follows from the facts, see judging.go.
type endpoint struct {
	set  *Set
	name string          // immutable
	want wanted.Endpoint // immutable; what may change without a new connection is in listed, the addresses are the link's
	asked

	listed
	id int // in an active-passive set; see choosing.go

	// Facts.
	link     *link.Link // immutable; how it gets a connection
	drained  bool
	unlisted bool // not in the list: it is leaving (see leaving.go), or has not joined yet
	healths
	validated
	ejecting

	was   judge.Judgement // the current judgement, as reported
	since time.Time       // when was.State last changed

	joins *handover // the handover that waits for its decision; nil if none does
	leaving
	conn        *conn // nil unless connected
	recertified recertify.Renewal

	accounts
	counted *pick.Conn // the conn in Set.eligible, if eligible
}

// listed is what the newest list says of an endpoint, whose connection stays if it changes.
type listed struct {
	weight   int    // its share of the calls
	zone     string // the zone it is in
	priority int    // lower is preferred
	// identity is the endpoint in our own resolver's list; zero in another resolver's.
	identity ours.Endpoint
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
	heardAt     time.Time // when a call was last seen answered
	transitions telling.Transitions
	recorded    report.CallStats // what the metrics have of the calls
	picked      uint64           // the greatest CallStats.Picked that was returned
	retired     []*conn          // conns with calls in flight
	folded      report.CallStats // counts of retired conns without
}

// Attempt implements link.Owner.
func (e *endpoint) Attempt(address resolver.Address) *link.Conn {
	c := &conn{endpoint: e}
	c.Init(e.set.room, c, e.name, address.Addr, e.want.Identity.HasToken())
	return &c.Conn
}

// Up implements link.Owner.
func (e *endpoint) Up(up *link.Conn) {
	e.conn = connOf(&up.Conn)
	e.channel, e.channelDetail = judge.Unheard, ""
	e.countOpenLocked()
}

// Connected implements link.Owner.
func (e *endpoint) Connected(up *link.Conn) {
	c := connOf(&up.Conn)
	e.validateLocked(c, machine.AskedFor)
	e.set.scope.Do(func() {
		c.SubConn().RegisterHealthListener(func(h balancer.SubConnState) { c.channelHealth(h) })
	})
}

// Retired implements link.Owner.
func (e *endpoint) Retired(_ *link.Conn, lost bool) {
	e.countOpenLocked()
	e.retireLocked()
	if lost {
		e.forgetHealthLocked()
	}
}

// countOpenLocked has a snapshot published if connected endpoints count although they are
// not eligible.
func (e *endpoint) countOpenLocked() {
	if e.set.cfg.NoneEligible == settings.FailOpen {
		e.set.pub.Mark()
	}
}

// Apply implements link.Owner.
func (e *endpoint) Apply(troubled bool) {
	if troubled {
		e.was.Memory.Troubled = true
	}
	e.applyLocked()
}

// Troubled implements link.Owner.
func (e *endpoint) Troubled() bool { return e.was.Memory.Troubled }

// forgetHealthLocked discards what was known through a connection that is lost.
func (e *endpoint) forgetHealthLocked() {
	e.channel, e.channelDetail = judge.Unheard, ""
	if e.health.State != report.Unhealthy {
		e.health = judge.Health{State: report.HealthUnknown, Why: judge.Why{Reason: report.ReasonConnectionLost}}
	}
	if e.checker != nil {
		t, _ := e.checker.Take(checking.Event{Kind: checking.EventReset, Reason: report.ReasonConnectionLost})
		e.heardOf = t.Number // what was found before is out of date, delivered or not
	}
}

// phaseLocked returns the phase of the attempt to connect, and since when it lasts.
func (e *endpoint) phaseLocked() (report.ConnectPhase, time.Time) {
	switch {
	case e.link.Phase() == machine.Connecting:
		return e.link.Progress()
	case e.was.State == report.StateUnknown && e.health.State == report.HealthUnknown && e.channel == judge.Passing:
		return report.PhaseProbe, e.since
	default:
		return "", time.Time{}
	}
}

// addressText returns the endpoint's address as text.
func (e *endpoint) addressText() string {
	if e.conn != nil {
		return e.conn.Address.Addr
	}
	return e.link.Addrs()[0].Addr
}

// transition handles a change of the endpoint's health, from its checker.
func (e *endpoint) transition(t checking.Transition) {
	s := e.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || e.link.Phase() == machine.Closed || t.Number <= e.heardOf {
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
