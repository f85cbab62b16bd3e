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

	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/healthcheck"
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
	// Set once, read by every pick. Whether it may be picked is in its counters.
	sc       balancer.SubConn
	done     func(balancer.DoneInfo)
	endpoint *endpoint
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

// newDone makes the function that keeps the accounts when a call ends. It
// allocates nothing and takes no lock. It is a plain closure, made once for each
// conn: a method value would copy its large argument twice. And it is made nowhere
// else: in a copy that is inlined, the compiler calls the atomic step in place of
// emitting it.
//
//go:noinline
func (c *conn) newDone() func(balancer.DoneInfo) {
	return func(info balancer.DoneInfo) {
		if info.Err == nil && info.BytesReceived {
			c.heard.Add(1)
			return
		}
		c.ended(info.Err, info.BytesReceived)
	}
}

// ended accounts for a call that did not just go well.
func (c *conn) ended(err error, answered bool) {
	switch {
	case err != nil && c.speaksAgainst(err, answered):
		c.failure(err, answered)
	case answered:
		c.heard.Add(1)
	default:
		c.unheard.Add(1)
	}
}

// failure accounts for a call that ended with an error that speaks against the
// endpoint.
func (c *conn) failure(err error, answered bool) {
	inARow := c.streak.fail(answered, c.heard.Add)
	if !answered {
		c.unheard.Add(1)
	}
	c.failed.Add(1)
	s := c.endpoint.set
	if inARow >= int(s.ejectAfter.Load()) {
		s.callsFail(c)
	}
	switch {
	case c.deniesToken(err, answered):
		s.answerSpeaksAgainst(c, healthcheck.ReasonCallsDenied)
	case answered && cantonerr.PassiveReplica(err):
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
	case info.Err != nil && c.speaksAgainst(info.Err, info.BytesReceived):
		c.endpoint.set.trialEnds(c, callFailed)
	case info.BytesReceived:
		c.endpoint.set.trialEnds(c, callAnswered)
	}
}

// deniesToken tells that a server did not take the token that is the endpoint's own:
// it has expired, or it is the wrong one. The call was not executed.
func (c *conn) deniesToken(err error, answered bool) bool {
	return answered && c.endpoint.hasToken && status.Code(err) == codes.Unauthenticated
}

// speaksAgainst tells whether a call's error says something about the endpoint.
func (c *conn) speaksAgainst(err error, answered bool) bool {
	return c.deniesToken(err, answered) || speaksAgainst(err, answered)
}

// speaksAgainst tells whether a call's error says something about any endpoint
// rather than about the call. A server that answers NotFound, Internal or
// ResourceExhausted works.
func speaksAgainst(err error, answered bool) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	case codes.Internal, codes.Unknown:
		return !answered
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
	c.setEligible(false)
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

// countsLocked gives the accounts of all of the endpoint's calls. Who reads Picked
// reckons with its growth, so it never goes back, although a pick may be taken back.
func (e *endpoint) countsLocked() Counts {
	e.foldLocked()
	total := e.folded
	for _, c := range e.retired {
		total = total.plus(c.counts())
	}
	if e.conn != nil {
		total = total.plus(e.conn.counts())
	}
	e.picked = max(e.picked, total.Picked)
	total.Picked = e.picked
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
