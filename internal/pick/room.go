package pick

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// Source answers pickers about their set. Its methods may lock.
type Source interface {
	// Explain returns why no endpoint may be picked.
	Explain() error
	// Stale reports whether a newer snapshot is about to be published, or could be.
	Stale() bool
	// Republish has another snapshot published: a connection has a limit of streams for the
	// first time, or a call has waited long for a stream.
	Republish()
	// Elsewhere reports whether an endpoint is eligible, under active_passive perhaps as a
	// standby, whose name tried does not know.
	Elsewhere(tried func(endpoint string) bool) bool
}

// Room is what the snapshots of one set share. It outlives them.
type Room struct {
	_ [cacheLine]byte
	// turn counts the picks. It has a cache line of its own. The snapshots share it,
	// so that a change of the set neither restarts the rotation nor favours the first
	// endpoint.
	turn atomic.Uint32
	_    [cacheLine]byte

	source     Source
	opened     time.Time     // where the clock of the room begins
	pace       pace          // how fast calls are answered
	limited    atomic.Bool   // a connection has a limit of streams, or had one
	waiting    waiting       // the calls that wait for a stream
	beat       beat          // whether this process runs
	ejectAfter atomic.Uint32 // how many calls in a row must fail for an ejection
	slowStart  atomic.Int64  // how long the calls of a new connection grow, in nanoseconds
}

// NewRoom returns a Room. The turn starts at a random number: otherwise the first
// calls of all clients would go to the same server.
func NewRoom(source Source) *Room {
	r := &Room{source: source, opened: time.Now().Add(-1)} // the clock never reads 0
	r.turn.Store(rand.Uint32())
	return r
}

// EjectAfter sets how many calls in a row must fail for an ejection.
func (r *Room) EjectAfter(failures int) { r.ejectAfter.Store(uint32(failures)) }

// SlowStart sets how long it takes until a connection that has become eligible gets as
// many calls as the others, where the least loaded one is picked.
func (r *Room) SlowStart(d time.Duration) { r.slowStart.Store(int64(d)) }

// Publish must be called with each picker before grpc gets it, and with nil when there
// will be no other. Calls that wait for a stream then pick again.
func (r *Room) Publish(next balancer.Picker) { r.waiting.publish(next) }

// Untried implements attempt.Places.
func (r *Room) Untried(call *attempt.Record) bool {
	p, ok := r.waiting.newest().(*Picker)
	if !ok {
		return false
	}
	for c := range p.all() {
		if p.may(c) && !call.Tried(c.name) {
			return true
		}
	}
	return false
}

// Turn returns the number of picks, modulo 2^32, plus a random start.
func (r *Room) Turn() uint32 { return r.turn.Load() }

// SetTurn sets the turn, for tests.
func (r *Room) SetTurn(n uint32) { r.turn.Store(n) }
