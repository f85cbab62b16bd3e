package endpointset

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/resolver"
)

// testingT is a *testing.T or a *rapid.T.
type testingT interface {
	require.TestingT
	Error(args ...any)
}

// fakeChannel stands for the part of a grpc channel that a policy sees. Like
// grpc it delivers one event at a time, and whatever comes up meanwhile next.
// The test makes the events; each method works from any goroutine.
type fakeChannel struct {
	balancer.ClientConn // nil: what is not overridden here is not to be called

	t   testingT
	set *Set

	mu sync.Mutex
	// watched: the channel has a healthCheckConfig, so that a new health
	// listener hears CONNECTING, and READY otherwise.
	watched bool
	// hook, if not nil, is called in each UpdateState.
	hook     func(balancer.State)
	queue    []func()
	draining bool
	closed   bool           // the balancer has been closed: no more updates
	rests    bool           // after TRANSIENT_FAILURE the test calls rested; otherwise, IDLE follows at once
	refuse   bool           // NewSubConn fails, as in a channel that is being closed
	attempts []*fakeSubConn // the SubConn of each attempt to connect, in order
	made     []*fakeSubConn // each SubConn
	states   []balancer.State
	servers  map[string]*fakeServer

	recorder fakeRecorder
}

func newFakeChannel(t testingT) *fakeChannel {
	return &fakeChannel{t: t, servers: make(map[string]*fakeServer)}
}

// deliver runs event after those that wait already, and returns when it has run. It is
// for the test: the set's own calls use schedule.
func (c *fakeChannel) deliver(event func()) {
	done := make(chan struct{})
	if c.enqueue(func() { defer close(done); event() }) {
		c.drain()
	}
	<-done
}

// schedule has event delivered by another goroutine, as grpc's serializer does: what the
// set calls never calls the set.
func (c *fakeChannel) schedule(event func()) {
	if c.enqueue(event) {
		go c.drain()
	}
}

// enqueue tells whether the caller has to drain the queue.
func (c *fakeChannel) enqueue(event func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, event)
	first := !c.draining
	c.draining = true
	return first
}

func (c *fakeChannel) drain() {
	c.mu.Lock()
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		next()
		c.mu.Lock()
	}
	c.draining = false
	c.mu.Unlock()
}

// reenter shows that grpc is not called with the set's lock held: it would hang.
func (c *fakeChannel) reenter() {
	c.set.scope.Lock()
	//lint:ignore SA2001 to take it is the whole point
	c.set.scope.Unlock() //nolint:staticcheck // taking it is the point
}

var errChannelClosing = errors.New("the channel is being closed")

func (c *fakeChannel) NewSubConn(addrs []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	c.reenter()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		return nil, errChannelClosing
	}
	assert.Len(c.t, addrs, 1, "a SubConn has one address")
	assert.NotNil(c.t, o.StateListener)
	assert.False(c.t, c.closed, "a SubConn is made after Close")
	sc := &fakeSubConn{cc: c, address: addrs[0], listener: o.StateListener, producers: make(map[balancer.ProducerBuilder]func())}
	c.made = append(c.made, sc)
	return sc, nil
}

func (c *fakeChannel) MetricsRecorder() stats.MetricsRecorder { return &c.recorder }

func (c *fakeChannel) UpdateState(s balancer.State) {
	c.reenter()
	c.mu.Lock()
	assert.False(c.t, c.closed, "an update after Close")
	c.states = append(c.states, s)
	hook := c.hook
	c.mu.Unlock()
	if hook != nil {
		hook(s)
	}
}

func (c *fakeChannel) onUpdate(hook func(balancer.State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

func (c *fakeChannel) setWatched(watched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = watched
}

func (c *fakeChannel) isWatched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watched
}

// last is the newest state that was published.
func (c *fakeChannel) last() balancer.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.states) == 0 {
		c.t.Error("nothing has been published")
		return balancer.State{Picker: failingPicker{}}
	}
	return c.states[len(c.states)-1]
}

type failingPicker struct{}

func (failingPicker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{}, errors.New("no picker")
}

func (c *fakeChannel) updates() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.states)
}

// settle waits until the set's queue of calls has done what there was to do, or, in a
// bubble, until everything waits.
func (c *fakeChannel) settle() {
	defer func() {
		if recover() != nil { // not in a bubble
			c.set.scope.Settle()
		}
	}()
	synctest.Wait()
}

// all gives the SubConn of every attempt ever made to connect to an address, or to any.
func (c *fakeChannel) all(addr ...string) []*fakeSubConn {
	c.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	return matching(c.attempts, addr...)
}

// subConns gives every SubConn ever made for an address, or for any.
func (c *fakeChannel) subConns(addr ...string) []*fakeSubConn {
	c.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	return matching(c.made, addr...)
}

func matching(list []*fakeSubConn, addr ...string) []*fakeSubConn {
	var out []*fakeSubConn
	for _, sc := range list {
		if len(addr) == 0 || slices.Contains(addr, sc.address.Addr) {
			out = append(out, sc)
		}
	}
	return out
}

// live gives the SubConns that are connecting or connected.
func (c *fakeChannel) live(addr ...string) []*fakeSubConn {
	return slices.DeleteFunc(c.subConns(addr...), func(sc *fakeSubConn) bool { return sc.isShutdown() || !sc.isBusy() })
}

// server gives the health service at an address.
func (c *fakeChannel) server(addr string) *fakeServer {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.servers[addr]
	if s == nil {
		s = newFakeServer()
		c.servers[addr] = s
	}
	return s
}

// fakeSubConn is one SubConn. Its state is the test's to change.
type fakeSubConn struct {
	balancer.SubConn // nil, as above

	cc       *fakeChannel
	address  resolver.Address
	listener func(balancer.SubConnState)

	mu        sync.Mutex
	connects  int
	busy      bool // connecting or connected
	shut      bool
	state     connectivity.State
	producers map[balancer.ProducerBuilder]func()
	// health is the newest health listener; round invalidates older ones.
	health func(balancer.SubConnState)
	round  int
	events []string // what happened, in order
}

func (sc *fakeSubConn) note(event string) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.events = append(sc.events, event)
}

func (sc *fakeSubConn) history() []string {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return slices.Clone(sc.events)
}

func (sc *fakeSubConn) Connect() {
	sc.cc.reenter()
	sc.mu.Lock()
	assert.False(sc.cc.t, sc.busy || sc.shut || sc.state == connectivity.TransientFailure, "Connect is ignored but in IDLE")
	sc.connects++
	sc.busy = true
	sc.mu.Unlock()
	sc.cc.mu.Lock()
	defer sc.cc.mu.Unlock()
	sc.cc.attempts = append(sc.cc.attempts, sc)
}

func (sc *fakeSubConn) isBusy() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.busy
}

func (sc *fakeSubConn) connectCalls() int {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.connects
}

func (sc *fakeSubConn) isShutdown() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.shut
}

// Shutdown closes the producers at once, and the listener is told last of all.
func (sc *fakeSubConn) Shutdown() {
	sc.cc.reenter()
	sc.closeProducers()
	sc.mu.Lock()
	again := sc.shut
	sc.shut = true
	sc.events = append(sc.events, "shutdown")
	sc.mu.Unlock()
	assert.False(sc.cc.t, again, "a SubConn is shut down twice")
	sc.cc.schedule(func() { sc.tell(balancer.SubConnState{ConnectivityState: connectivity.Shutdown}) })
}

// become changes the state, as grpc does: the producers are closed and the
// health listener is dropped before the listener is told.
func (sc *fakeSubConn) become(s connectivity.State, err error) {
	if sc.connectCalls() == 0 {
		sc.cc.t.Errorf("SubConn %s becomes %v before Connect: a mistake in the test", sc.address.Addr, s)
	}
	if s == connectivity.TransientFailure && sc.isReady() {
		s = connectivity.Idle // as grpc reports the end of a connection, whatever its cause
	}
	sc.cc.deliver(func() {
		if !sc.isShutdown() {
			sc.tell(balancer.SubConnState{ConnectivityState: s, ConnectionError: err})
		}
	})
	if s == connectivity.TransientFailure && !sc.cc.rests {
		sc.rested()
	}
}

func (sc *fakeSubConn) isReady() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.state == connectivity.Ready
}

// rested ends the pause that grpc makes after a failed attempt.
func (sc *fakeSubConn) rested() {
	sc.cc.deliver(func() {
		if !sc.isShutdown() {
			sc.tell(balancer.SubConnState{ConnectivityState: connectivity.Idle})
		}
	})
}

// tell gives the listener a state, even one that comes late.
func (sc *fakeSubConn) tell(s balancer.SubConnState) {
	sc.closeProducers()
	sc.mu.Lock()
	sc.state = s.ConnectivityState
	if s.ConnectivityState == connectivity.TransientFailure || s.ConnectivityState == connectivity.Idle {
		sc.busy = false
	}
	sc.health = nil
	sc.round++
	if sc.connects > 0 || sc.shut {
		sc.events = append(sc.events, s.ConnectivityState.String())
	}
	sc.mu.Unlock()
	sc.listener(s)
}

func (sc *fakeSubConn) closeProducers() {
	sc.mu.Lock()
	closers := sc.producers
	sc.producers = make(map[balancer.ProducerBuilder]func())
	sc.mu.Unlock()
	for _, f := range closers {
		sc.note("producer closed")
		f()
	}
}

func (sc *fakeSubConn) GetOrBuildProducer(b balancer.ProducerBuilder) (balancer.Producer, func()) {
	sc.cc.reenter()
	p, closeProducer := b.Build(&fakeConn{server: sc.cc.server(sc.address.Addr)})
	sc.mu.Lock()
	sc.producers[b] = closeProducer
	sc.mu.Unlock()
	return p, func() {
		sc.mu.Lock()
		f := sc.producers[b]
		delete(sc.producers, b)
		sc.mu.Unlock()
		if f != nil {
			f()
		}
	}
}

func (sc *fakeSubConn) RegisterHealthListener(listener func(balancer.SubConnState)) {
	sc.cc.reenter()
	sc.mu.Lock()
	if sc.state != connectivity.Ready { // as grpc does
		sc.mu.Unlock()
		return
	}
	sc.health = listener
	sc.round++
	first := connectivity.Ready
	if sc.cc.isWatched() {
		first = connectivity.Connecting
	}
	sc.mu.Unlock()
	sc.healthThrough(sc.cc.schedule, first, nil)
}

// healthBecomes tells the newest health listener, if there still is one when its
// turn comes.
func (sc *fakeSubConn) healthBecomes(s connectivity.State, err error) {
	sc.healthThrough(sc.cc.deliver, s, err)
}

func (sc *fakeSubConn) healthThrough(via func(func()), s connectivity.State, err error) {
	sc.mu.Lock()
	round := sc.round
	sc.mu.Unlock()
	via(func() {
		sc.mu.Lock()
		listener := sc.health
		stale := sc.round != round
		sc.mu.Unlock()
		if listener != nil && !stale {
			listener(balancer.SubConnState{ConnectivityState: s, ConnectionError: err})
		}
	})
}

// pickInfo is what grpc gives a picker for a call without a record.
func pickInfo() balancer.PickInfo {
	return balancer.PickInfo{FullMethodName: "/test.Service/Method", Ctx: context.Background()}
}
