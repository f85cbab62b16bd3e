package jsonapi

import (
	"context"
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

	phase    atomic.Int32
	landed   atomic.Bool // its ending is known
	upgraded atomic.Bool // the connection is no longer HTTP's
	heardAt  atomic.Int64

	// mu guards what follows. No other lock is acquired while it is held.
	mu     sync.Mutex
	uses   []use
	few    [1]use
	asked  bool  // the transport has asked for a connection
	killed error // why the flight was ended from outside
	close  func()
}

// got notes a connection that the attempt uses.
func (f *flight) got(u use) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses == nil {
		f.uses = f.few[:0]
	}
	f.uses = append(f.uses, u)
}

// asks notes that the transport asks for a connection.
func (f *flight) asks() {
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
func (f *flight) connected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uses) > 0
}

// wasAsked reports whether the transport has asked for a connection, which it does unless
// the request is not valid.
func (f *flight) wasAsked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
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

// arrived notes that something of the response has arrived.
func (f *flight) arrived() {
	f.heardAt.Store(time.Now().UnixNano())
	f.endpoint.arrived()
}

// silentSince returns since when nothing of the response has arrived.
func (f *flight) silentSince() time.Time {
	if at := f.heardAt.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return f.began
}

// flights are the attempts of one endpoint that are under way. The zero value is empty.
type flights struct {
	// mu guards the field below, and is a leaf lock.
	mu  sync.Mutex
	all map[*flight]struct{}
}

func (s *flights) add(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[*flight]struct{})
	}
	s.all[f] = struct{}{}
}

func (s *flights) remove(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, f)
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
	for f := range s.all {
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
