package endpointset

import (
	"cmp"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

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
	endpoint *endpoint        // immutable
	address  resolver.Address // immutable
	line     transport.Line
	sc       balancer.SubConn // belongs to the queue of calls; nil until made there

	// Guarded by the set's lock.
	user    *conn     // the attempt or connection that the SubConn is used for; nil if none
	resting bool      // grpc pauses after a failed attempt, and would ignore another one
	failed  time.Time // when the pause began
	silent  bool      // grpc has reported nothing of the attempt, not even that it has begun
	gone    bool      // the SubConn is shut down
}

// connectLocked has the SubConn connect for c, once the set's lock is released.
func (l *slot) connectLocked(c *conn, a *transport.Attempt) {
	l.user, l.silent = c, true
	l.line.Begin(a)
	l.endpoint.set.scope.Do(func() { l.connect(c) })
}

// connect creates the SubConn if there is none, and connects it.
func (l *slot) connect(c *conn) {
	if l.sc == nil {
		address := transport.With(l.address, &l.line)
		//lint:ignore SA1019 the function stays; what goes is more than one address for a SubConn
		sc, err := l.endpoint.set.cc.NewSubConn([]resolver.Address{address}, balancer.NewSubConnOptions{ //nolint:staticcheck // as above
			StateListener: l.changed,
		})
		if err != nil {
			l.endpoint.set.refusedSubConn(c, err)
			return
		}
		l.sc = sc
	}
	c.Use(l.sc)
	l.sc.Connect()
}

// leaveLocked ends the use of the SubConn for c. If c still connects or is connected,
// the SubConn is shut down, since grpc provides no other way to end that.
func (l *slot) leaveLocked(c *conn) {
	if l.user == c || l.endpoint.set.options.Validator != nil {
		l.shutDownLocked()
	}
}

// shutDownLocked shuts the SubConn down, once the set's lock is released.
func (l *slot) shutDownLocked() {
	if l.gone {
		return
	}
	l.gone, l.user = true, nil
	l.endpoint.set.scope.Do(func() {
		if l.sc != nil {
			l.sc.Shutdown()
		}
	})
}

// changed handles the SubConn's new state, as reported by grpc. An attempt begins only
// in the state IDLE, so that what follows is about that attempt.
func (l *slot) changed(state balancer.SubConnState) {
	e, s := l.endpoint, l.endpoint.set
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.scope.Closed() || l.gone {
		return
	}
	c := l.user
	l.silent = false
	switch state.ConnectivityState {
	case connectivity.Ready:
		if c != nil {
			e.upLocked(c)
		}
	case connectivity.TransientFailure, connectivity.Idle:
		l.restLocked(state.ConnectivityState == connectivity.TransientFailure)
		l.user = nil
		switch {
		case c != nil:
			err := state.ConnectionError
			if e.link.Phase == machine.Connecting && errors.Is(err, net.ErrClosed) {
				err = e.timedOutLocked() // grpc closes what takes too long
			}
			e.downLocked(c, cmp.Or(c.dead, err))
		case !l.resting && e.due && e.link.Phase == machine.Waiting:
			e.due = false
			e.wakeLocked()
		}
	default: // CONNECTING was requested; SHUTDOWN too
	}
}

// restLocked notes that grpc's pause begins, or is over.
func (l *slot) restLocked(resting bool) {
	switch {
	case resting:
		l.failed = time.Now()
	case l.resting:
		l.endpoint.rest = time.Since(l.failed)
	}
	l.resting = resting
}
