package endpointset

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// connectTimeout bounds one attempt to connect, including the TLS and HTTP/2
// handshakes; grpc's own bound is 20 s.
const connectTimeout = 5 * time.Second

// conn is one SubConn of an endpoint, from its creation to its end: one attempt to
// connect and, if it succeeds, one connection. It is never reused, so a late report
// about it cannot be mistaken for one about its successor.
type conn struct {
	pick.Conn // as a pick sees it

	endpoint *endpoint // immutable
	address  resolver.Address
	holder   transport.Holder // of the net.Conn, if the credentials provide it

	// Guarded by Set.mu.
	cancel     context.CancelFunc // ends the probes on this connection; nil if there are none
	passive    machine.Passive
	ready      time.Time // when the connection was established
	liveness             // of its peer
	retirement retirement
}

// connOf returns the conn of a pick.Conn.
func connOf(c *pick.Conn) *conn {
	owner, _ := c.Owner().(*conn) // there is no other owner
	return owner
}

// AnswerSpeaksAgainst handles a call whose answer is evidence against the endpoint, as
// that of a passive replica is, or that of a server that rejects its token. The
// endpoint becomes suspect and is probed at once. It does not become unhealthy: the
// answer is about one service of the node, and a probe's is about the node. The method
// is called at the end of a call and takes Set.mu. Like CallsFail, TrialEnds and
// PickedLate it belongs to pick.Owner.
func (c *conn) AnswerSpeaksAgainst(why report.Reason) {
	e, s := c.endpoint, c.endpoint.set
	s.mu.Lock()
	defer s.unlock()
	if s.closed || e.conn != c || e.checker == nil || e.health.State != report.Healthy {
		return
	}
	var doubt bool
	health := s.cfg.HealthCheck
	c.passive, doubt = c.passive.Next(time.Now(), health.SuspectInterval, health.Interval)
	if doubt {
		e.doubtLocked(why)
	}
}

// dialLocked makes a conn for the endpoint's present address and connects it once
// Set.mu is released.
func (e *endpoint) dialLocked() {
	s := e.set
	e.tries++
	c := &conn{endpoint: e, address: e.want.addrs[e.link.Addr]}
	c.Init(s.room, c, e.name, c.address.Addr, e.want.identity.HasToken())
	c.holder.OnChange(func() { c.SetStreamLimit(c.holder.StreamLimit()) })
	e.conn = c
	e.progress.Enter("")
	e.armLocked(connectTimeout)
	s.calls.Do(c.connect)
}

// connect creates the SubConn of c and connects it. It runs in the queue of calls.
func (c *conn) connect() {
	s := c.endpoint.set
	//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
	sc, err := s.cc.NewSubConn([]resolver.Address{transport.WithProgress(transport.With(c.address, &c.holder), &c.endpoint.progress)}, balancer.NewSubConnOptions{ //nolint:staticcheck // as above
		StateListener: func(state balancer.SubConnState) { c.connChanged(state) },
	})
	if err != nil {
		s.refusedSubConn(c, err)
		return
	}
	c.Use(sc)
	sc.Connect()
}

// shutDown shuts down the SubConn of c, if it was created. It runs in the queue of
// calls.
func (c *conn) shutDown() {
	if sc := c.SubConn(); sc != nil {
		sc.Shutdown()
	}
}

// retireLocked retires the endpoint's conn. Calls on it may finish: Shutdown only
// prevents new ones.
func (e *endpoint) retireLocked() {
	c := e.conn
	if c == nil {
		return
	}
	e.conn = nil
	e.forgetValidationLocked()
	c.SetEligible(false)
	c.SetTrial(false)
	c.SetDoubted(false)
	if e.ejection.Phase != machine.Admitted {
		e.ejectLocked(machine.Pardon) // the failures were those of the old connection
	}
	if c.cancel != nil {
		c.cancel()
	}
	if e.health.State == report.Suspect || e.health.State == report.Unhealthy || c.state == judge.Silent || c.state == judge.Dead {
		e.set.after = append(e.set.after, c.PickedLate)
	}
	e.retired = append(e.retired, c)
	if e.checker != nil && c.Counts().InFlight > 0 {
		e.set.sampler.retired[c] = struct{}{}
	}
	e.foldLocked()
	e.set.calls.Do(c.shutDown)
}

// foldLocked adds up the counts of retired conns without calls in flight, and releases
// those conns.
func (e *endpoint) foldLocked() {
	kept := e.retired[:0]
	for _, c := range e.retired {
		if n := c.Counts(); n.InFlight == 0 {
			e.folded = pick.Sum(e.folded, n)
		} else {
			kept = append(kept, c)
		}
	}
	clear(e.retired[len(kept):])
	e.retired = kept
}

// countsLocked returns the counts of all of the endpoint's calls. Picked never
// decreases, although a pick may be undone: callers compute its growth.
func (e *endpoint) countsLocked() report.CallStats {
	e.foldLocked()
	total := e.folded
	for _, c := range e.retired {
		total = pick.Sum(total, c.Counts())
	}
	if e.conn != nil {
		total = pick.Sum(total, e.conn.Counts())
	}
	e.picked = max(e.picked, total.Picked)
	total.Picked = e.picked
	return total
}

// connChanged handles a SubConn's new state, as reported by grpc.
func (c *conn) connChanged(state balancer.SubConnState) {
	s := c.endpoint.set
	s.mu.Lock()
	defer s.unlock()
	e := c.endpoint
	if s.closed || e.conn != c {
		return // reported by a conn that was replaced
	}
	switch state.ConnectivityState {
	case connectivity.Ready:
		c.ready = time.Now()
		e.channel, e.channelDetail = judge.Unheard, ""
		e.stepLocked(machine.LinkUp, nil)
		e.validateLocked(c, machine.AskedFor)
		s.calls.Do(func() {
			c.SubConn().RegisterHealthListener(func(h balancer.SubConnState) { c.channelHealth(h) })
		})
	case connectivity.TransientFailure, connectivity.Idle:
		e.stepLocked(machine.LinkDown, cmp.Or(c.dead, state.ConnectionError))
	default: // CONNECTING was requested; SHUTDOWN too
	}
}
