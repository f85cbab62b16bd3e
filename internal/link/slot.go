package link

import (
	"cmp"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// slot is one SubConn of an endpoint. It is made for the first attempt to connect to an
// address of the endpoint, and used again for later ones: grpc's ResetConnectBackoff
// reads the channel's SubConns without a lock, which ends the process if a SubConn is
// made or shut down meanwhile. Reconnecting does neither. It also lets grpc bound each
// attempt, and pause after it, as grpc.WithConnectParams says.
//
// A SubConn is not used again if connections are validated: a call that was picked for
// the connection before could be sent on one that is not validated yet.
type slot struct {
	link    *Link            // immutable
	address resolver.Address // immutable
	line    transport.Line
	sc      balancer.SubConn // belongs to the queue of calls; nil until made there

	user    *Conn     // the attempt or connection that the SubConn is used for; nil if none
	resting bool      // grpc pauses after a failed attempt, and would ignore another one
	failed  time.Time // when the pause began
	silent  bool      // grpc has reported nothing of the attempt, not even that it has begun
	gone    bool      // the SubConn is shut down
}

// connect has the SubConn connect for c, once the lock is released.
func (s *slot) connect(c *Conn, a *transport.Attempt) {
	s.user, s.silent = c, true
	s.line.Begin(a)
	s.link.env.Scope.Do(func() { s.connectNow(c) })
}

// connectNow creates the SubConn if there is none, and connects it. It runs in the queue
// of calls.
func (s *slot) connectNow(c *Conn) {
	if s.sc == nil {
		sc, err := s.link.env.newSubConn(transport.With(s.address, &s.line), s.changed)
		if err != nil {
			s.refused(c, err)
			return
		}
		s.sc = sc
	}
	c.Use(s.sc)
	s.sc.Connect()
}

func (v *Env) newSubConn(address resolver.Address, listener func(balancer.SubConnState)) (balancer.SubConn, error) {
	//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
	return v.Channel.NewSubConn([]resolver.Address{address}, balancer.NewSubConnOptions{ //nolint:staticcheck // as above
		StateListener: listener,
	})
}

// refused handles an error of NewSubConn. grpc refuses only while the channel is being
// closed. Close follows, unless the channel was closed by two goroutines at once. So the
// set closes itself. It runs in the queue of calls, for which Close waits.
func (s *slot) refused(c *Conn, err error) {
	l, env := s.link, s.link.env
	env.Scope.Lock()
	defer env.Scope.Unlock()
	if !env.Scope.Closed() && s.user == c {
		l.why = judge.Why{Detail: cleantext.Detail(err.Error())}
		l.owner.Apply(false) // no attempt has failed
		go env.Close()
	}
}

// checkOpen closes the set if grpc refuses SubConns. It runs in the queue of calls.
func (v *Env) checkOpen() {
	sc, err := v.newSubConn(resolver.Address{Addr: "unused"}, func(balancer.SubConnState) {})
	if err != nil {
		go v.Close()
		return
	}
	sc.Shutdown()
}

// leave ends the use of the SubConn for c. If c still connects or is connected, the
// SubConn is shut down, since grpc provides no other way to end that.
func (s *slot) leave(c *Conn) {
	if s.user == c || s.link.env.Fresh() {
		s.shutDown()
	}
}

// shutDown shuts the SubConn down, once the lock is released.
func (s *slot) shutDown() {
	if s.gone {
		return
	}
	s.gone, s.user = true, nil
	s.link.env.Scope.Do(func() {
		if s.sc != nil {
			s.sc.Shutdown()
		}
	})
}

// changed handles the SubConn's new state, as reported by grpc. An attempt begins only
// in the state IDLE, so that what follows is about that attempt. It takes the lock.
func (s *slot) changed(state balancer.SubConnState) {
	l := s.link
	l.env.Scope.Lock()
	defer l.env.Scope.Unlock()
	if l.env.Scope.Closed() || s.gone {
		return
	}
	c := s.user
	s.silent = false
	switch state.ConnectivityState {
	case connectivity.Ready:
		if c != nil {
			l.up(c)
		}
	case connectivity.TransientFailure, connectivity.Idle:
		s.rest(state.ConnectivityState == connectivity.TransientFailure)
		s.user = nil
		switch {
		case c != nil:
			err := state.ConnectionError
			if l.state.Phase == machine.Connecting && errors.Is(err, net.ErrClosed) {
				err = l.timedOut() // grpc closes what takes too long
			}
			l.down(c, cmp.Or(c.dead, err))
		case !s.resting && l.due && l.state.Phase == machine.Waiting:
			l.due = false
			l.wake()
		}
	default: // CONNECTING was requested; SHUTDOWN too
	}
}

// rest notes that grpc's pause begins, or is over.
func (s *slot) rest(resting bool) {
	switch {
	case resting:
		s.failed = time.Now()
	case s.resting:
		s.link.rest = time.Since(s.failed)
	}
	s.resting = resting
}
