package endpointset

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cantonerr"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// connectTimeout bounds one attempt to connect, TLS and HTTP/2 handshakes
// included; grpc's own bound is 20 s.
const connectTimeout = 5 * time.Second

// cacheLine is the size that keeps two counters from sharing one; 128 because
// processors fetch lines in pairs.
const cacheLine = 128

// conn is one SubConn of an endpoint, from its making to its end: one attempt
// to connect and, if it succeeds, one connection. It is never revived, so that
// whatever is heard of it late cannot be mistaken for news of its successor.
type conn struct {
	// Set once, read by every pick.
	sc       balancer.SubConn
	done     func(balancer.DoneInfo)
	endpoint *endpoint
	// eligible is whether this connection may be picked. It flips the moment
	// that something is known, ahead of the next snapshot.
	eligible atomic.Bool
	// trial is set while one call may try whether the endpoint works again.
	trial atomic.Bool
	// doubted is whether this is the active's connection and something speaks
	// against it, so that a call that it has failed waits for what comes of that.
	doubted atomic.Bool
	address resolver.Address

	// Guarded by Set.mu.
	cancel        context.CancelFunc // ends the probes on this connection; nil if none
	heardOfHealth bool               // grpc's health listener has been called
	silence       silence
	passive       passive
	alive         time.Time // when a call was last seen answered, or the connection first seen
	dead          error     // why it was closed; nil if it was not
	retirement    retirement

	holder    transport.Holder // of the net.Conn, if the credentials let us have it
	rescuable records          // the calls in flight that can be made elsewhere
	movable   records          // the streams that can be ended, to be opened elsewhere
	streak    streak           // of failed calls

	_ [cacheLine]byte
	counters
	_ [cacheLine]byte
}

// counters are the accounts of the calls on one connection. They are written by
// every call, on a cache line of their own.
type counters struct {
	picked  atomic.Uint64 // calls given to the connection
	heard   atomic.Uint64 // of those, ended with bytes received
	unheard atomic.Uint64 // of those, ended without
	failed  atomic.Uint64 // of those, ended with an error that speaks against the endpoint
}

// Counts are the accounts of an endpoint's calls since it joined the set.
type Counts struct {
	// Picked is how many calls the endpoint was given, InFlight how many of
	// them have not ended.
	Picked, InFlight uint64
	// Heard is how many ended with at least a byte of answer; Failed how many
	// ended with an error that speaks against the endpoint: UNAVAILABLE,
	// DEADLINE_EXCEEDED, or any other that did not come from the server.
	Heard, Failed uint64
}

func (n *counters) counts() Counts {
	heard, unheard := n.heard.Load(), n.unheard.Load()
	picked := n.picked.Load() // last, so that InFlight cannot be negative
	return Counts{Picked: picked, InFlight: picked - heard - unheard, Heard: heard, Failed: n.failed.Load()}
}

func (a Counts) plus(b Counts) Counts {
	return Counts{
		Picked: a.Picked + b.Picked, InFlight: a.InFlight + b.InFlight,
		Heard: a.Heard + b.Heard, Failed: a.Failed + b.Failed,
	}
}

// newDone makes the function that keeps the accounts when a call ends. It
// allocates nothing and takes no lock. It is a plain closure, made once for each
// conn: a method value would copy its large argument twice.
func (c *conn) newDone() func(balancer.DoneInfo) {
	n := &c.counters
	return func(info balancer.DoneInfo) {
		switch {
		case info.Err != nil && c.speaksAgainst(info):
			c.failure(info)
		case info.BytesReceived:
			n.heard.Add(1)
		default:
			n.unheard.Add(1)
		}
	}
}

// failure accounts for a call that ended with an error that speaks against the
// endpoint.
func (c *conn) failure(info balancer.DoneInfo) {
	inARow := c.streak.fail(info.BytesReceived, c.heard.Add)
	if !info.BytesReceived {
		c.unheard.Add(1)
	}
	c.failed.Add(1)
	s := c.endpoint.set
	if inARow >= int(s.ejectAfter.Load()) {
		s.callsFail(c)
	}
	switch {
	case c.deniesToken(info):
		s.answerSpeaksAgainst(c, healthcheck.ReasonCallsDenied)
	case info.BytesReceived && cantonerr.PassiveReplica(info.Err):
		s.answerSpeaksAgainst(c, healthcheck.ReasonPassiveReplica)
	}
}

// answerSpeaksAgainst hears of a call whose answer speaks against the endpoint, as
// that of a passive replica does, and that of one which does not take our token: the
// endpoint becomes suspect, and is probed at once. That is all, since the answer is
// about one service of the node, and the probe's about the node. It comes from a call
// that ends, and takes Set.mu.
func (s *Set) answerSpeaksAgainst(c *conn, why healthcheck.Reason) {
	s.mu.Lock()
	defer s.unlock()
	e := c.endpoint
	if s.closed || e.conn != c || e.checker == nil || e.health.state != healthcheck.Healthy {
		return
	}
	var doubt bool
	health := s.cfg.HealthCheck
	c.passive, doubt = c.passive.next(time.Now(), health.SuspectInterval, health.Interval)
	if doubt {
		s.after = append(s.after, func() { e.checker.Doubt(why) })
	}
}

// trialDone is the end of the call that tries an endpoint after its ejection.
func (c *conn) trialDone(info balancer.DoneInfo) {
	c.done(info)
	switch {
	case info.Err != nil && c.speaksAgainst(info):
		c.endpoint.set.trialEnds(c, callFailed)
	case info.BytesReceived:
		c.endpoint.set.trialEnds(c, callAnswered)
	}
}

// deniesToken tells that a server did not take the token that is the endpoint's own:
// it has expired, or it is the wrong one. The call was not executed.
func (c *conn) deniesToken(info balancer.DoneInfo) bool {
	return info.BytesReceived && c.endpoint.hasToken && status.Code(info.Err) == codes.Unauthenticated
}

// speaksAgainst tells whether a call's error says something about the endpoint.
func (c *conn) speaksAgainst(info balancer.DoneInfo) bool {
	return c.deniesToken(info) || speaksAgainst(info)
}

// speaksAgainst tells whether a call's error says something about any endpoint
// rather than about the call. A server that answers NotFound, Internal or
// ResourceExhausted works.
func speaksAgainst(info balancer.DoneInfo) bool {
	switch status.Code(info.Err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	case codes.Internal, codes.Unknown:
		return !info.BytesReceived
	default:
		return false
	}
}

// dialLocked makes a conn for the endpoint's present address and has it
// connect, once Set.mu is released.
func (e *endpoint) dialLocked() {
	s := e.set
	e.tries++
	c := &conn{endpoint: e, address: e.want.addrs[e.link.addr]}
	c.done = c.newDone()
	//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
	sc, err := s.cc.NewSubConn([]resolver.Address{transport.With(c.address, &c.holder)}, balancer.NewSubConnOptions{ //nolint:staticcheck // as above
		StateListener: func(state balancer.SubConnState) { s.connChanged(c, state) },
	})
	if err != nil {
		// grpc refuses only when the channel is being closed; Close follows.
		e.connErr = err
		return
	}
	c.sc = sc
	e.conn = c
	e.armLocked(connectTimeout)
	s.after = append(s.after, sc.Connect)
}

// retireLocked gives up the endpoint's conn. Calls on it may finish: Shutdown
// only stops new ones.
func (e *endpoint) retireLocked() {
	c := e.conn
	if c == nil {
		return
	}
	e.conn = nil
	e.forgetValidationLocked()
	c.eligible.Store(false)
	c.trial.Store(false)
	c.doubted.Store(false)
	if e.ejection.phase != admitted {
		e.ejectionLocked(pardon) // what failed was the old connection
	}
	if c.cancel != nil {
		c.cancel()
	}
	if e.health.state == healthcheck.Suspect || e.health.state == healthcheck.Unhealthy {
		e.set.after = append(e.set.after, func() { e.set.rescueLate(c) })
	}
	e.retired = append(e.retired, c)
	if e.checker != nil && c.counts().InFlight > 0 {
		e.set.retired[c] = struct{}{}
	}
	e.foldLocked()
	e.set.after = append(e.set.after, c.sc.Shutdown)
}

// foldLocked adds up the accounts of retired conns on which nothing is in
// flight any more, and lets go of them.
func (e *endpoint) foldLocked() {
	kept := e.retired[:0]
	for _, c := range e.retired {
		if n := c.counts(); n.InFlight == 0 {
			e.folded = e.folded.plus(n)
		} else {
			kept = append(kept, c)
		}
	}
	clear(e.retired[len(kept):])
	e.retired = kept
}

// countsLocked gives the accounts of all of the endpoint's calls.
func (e *endpoint) countsLocked() Counts {
	e.foldLocked()
	total := e.folded
	for _, c := range e.retired {
		total = total.plus(c.counts())
	}
	if e.conn != nil {
		total = total.plus(e.conn.counts())
	}
	return total
}

// connChanged hears of a SubConn's new state, from grpc.
func (s *Set) connChanged(c *conn, state balancer.SubConnState) {
	s.mu.Lock()
	defer s.unlock()
	e := c.endpoint
	if s.closed || e.conn != c {
		return // news of the past
	}
	switch state.ConnectivityState {
	case connectivity.Ready:
		e.channel.pending = true
		e.stepLocked(linkUp, nil)
		e.validateLocked(c, askedFor)
		s.after = append(s.after, func() {
			c.sc.RegisterHealthListener(func(h balancer.SubConnState) { s.channelHealth(c, h) })
		})
	case connectivity.TransientFailure, connectivity.Idle:
		e.stepLocked(linkDown, cmp.Or(c.dead, state.ConnectionError))
	default: // CONNECTING is what was asked for, and SHUTDOWN too
	}
}
