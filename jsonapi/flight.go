package jsonapi

import (
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// The phases of a flight, of which the first change decides.
const (
	waiting  int32 = iota // for the header of a response
	arriving              // the header has arrived, and the caller gets the response
	off                   // it was called off
)

// flight is one attempt, from its pick until its response has been read.
type flight struct {
	call     *call
	endpoint *endpoint
	number   int
	trial    bool // it shows whether its endpoint, which was ejected, works again
	hedge    bool // it was made beside another one
	began    time.Time
	cancel   context.CancelCauseFunc
	late     *time.Timer // calls expire; nil if the attempt may wait for any time

	trace    httptrace.ClientTrace
	phase    atomic.Int32
	wrote    atomic.Bool // net/http has written the header
	upgraded atomic.Bool // the connection is no longer HTTP's
	payload  atomic.Uint64

	index int // in the endpoint's flights, whose mu guards it

	// The pool's mu guards these.
	sampled uint64    // the payload at the last sample
	heardAt time.Time // the last sample with another one than before

	// The call's mu guards these.
	landed  bool    // it has ended
	attempt Attempt // how, if it has

	// mu guards what follows. No other lock is acquired while it is held.
	mu     sync.Mutex
	uses   []use
	few    [1]use
	asked  bool  // the transport has asked for a connection
	killed error // why the flight was ended from outside
	close  func()
}

// got notes a connection that the attempt uses.
func (f *flight) got(i httptrace.GotConnInfo) {
	u := use{conn: countedOf(i.Conn)}
	if u.conn != nil {
		u.before = u.conn.written.Load()
	}
	if f.wrote.Load() && f.sent() && (f.call.safety != SafetyIdempotent || f.connections() == mostConnections) {
		f.kill(errResent)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses == nil {
		f.uses = f.few[:0]
	}
	f.uses = append(f.uses, u)
}

// mostConnections is on how many connections net/http may send an attempt that may be
// executed any number of times. Another endpoint is better then. Over HTTP/2, net/http
// sends what the server has reset with REFUSED_STREAM or PROTOCOL_ERROR again, a POST too,
// and in the latter case without an end.
const mostConnections = 3

func (f *flight) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uses)
}

// asks notes that the transport asks for a connection.
func (f *flight) asks(string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = true
}

// sent reports whether any byte of the request may have left.
func (f *flight) sent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.uses {
		if u.touched() {
			return true
		}
	}
	return false
}

// connected reports whether the attempt had a connection.
func (f *flight) connected() bool { return f.connections() > 0 }

// wasAsked reports whether the transport has asked for a connection, which it does unless
// the request is not valid.
func (f *flight) wasAsked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// expire ends an attempt that has waited for its connection for as long as it may.
func (f *flight) expire() {
	if !f.connected() {
		f.kill(errLate)
	}
}

// kill ends the attempt, or the reading of its response, with an error.
func (f *flight) kill(why error) {
	f.mu.Lock()
	first := f.killed == nil
	if first {
		f.killed = why
	}
	end := f.close
	f.mu.Unlock()
	f.cancel(why)
	if first && end != nil {
		end()
	}
}

// why returns the error with which the flight was killed, nil if it was not.
func (f *flight) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.killed
}

// onKill sets what closes an upgraded connection, which no context ends any more.
func (f *flight) onKill(end func()) {
	f.mu.Lock()
	killed := f.killed != nil
	f.close = end
	f.mu.Unlock()
	if killed {
		end()
	}
}

// arrived counts something of the response that has arrived. It reads no clock: samples
// of the counts show when it was.
func (f *flight) arrived() {
	f.payload.Add(1)
	f.endpoint.payload.Add(1)
}

// silentSinceLocked returns since when nothing of the response has arrived.
func (f *flight) silentSinceLocked() time.Time {
	if f.heardAt.IsZero() {
		return f.began
	}
	return f.heardAt
}

// flights are the attempts of one endpoint that are under way. The zero value is empty.
type flights struct {
	// mu guards the field below and each flight's index in it, and is a leaf lock.
	mu  sync.Mutex
	all []*flight
}

func (s *flights) add(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.index = len(s.all)
	s.all = append(s.all, f)
}

// remove removes a flight that was added. It is called once for each.
func (s *flights) remove(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.all[len(s.all)-1]
	s.all[f.index], last.index = last, f.index
	s.all[len(s.all)-1] = nil
	s.all = s.all[:len(s.all)-1]
}

func (s *flights) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// list returns those for which keep returns true.
func (s *flights) list(keep func(*flight) bool) []*flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*flight
	for _, f := range s.all {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

// rescue calls off the attempts that can be made elsewhere, unless their responses have
// begun to arrive.
func (e *endpoint) rescue() {
	for _, f := range e.flights.list(func(f *flight) bool { return f.phase.Load() == waiting }) {
		if f.call.rescuable() && f.call.client.allow() && f.phase.CompareAndSwap(waiting, off) {
			f.kill(errRescued)
		}
	}
}

// end ends the attempts for which keep returns true, with an error.
func (e *endpoint) end(why error, which func(*flight) bool) {
	for _, f := range e.flights.list(which) {
		f.kill(why)
	}
}
