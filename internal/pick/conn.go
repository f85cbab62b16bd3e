package pick

import (
	"sync/atomic"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/report"
)

// cacheLine is the size that keeps two counters from sharing a cache line; 128
// because processors fetch lines in pairs.
const cacheLine = 128

// Owner receives what the calls on a connection find out. Its methods are called at
// the end of a call, or during a pick, without a lock of this package, and may lock.
type Owner interface {
	// CallsFail reports that as many calls in a row have failed as an ejection
	// requires.
	CallsFail()
	// TrialEnds reports that the call that tried the endpoint has ended, answered or
	// not.
	TrialEnds(answered bool)
	// AnswerSpeaksAgainst reports that the answer of a call is evidence against the
	// endpoint.
	AnswerSpeaksAgainst(why report.Reason)
	// PickedLate reports that a call that can be retried elsewhere was sent to the
	// connection while that became ineligible.
	PickedLate()
}

// Conn is one connection as a picker uses it. Initialize it with Init. It is safe for
// concurrent use.
type Conn struct {
	// Set before the connection is eligible for the first time.
	sc   balancer.SubConn
	done func(balancer.DoneInfo)
	room *Room
	// owner receives what the calls find out.
	owner         Owner
	name, address string
	hasToken      bool // calls carry a token of the endpoint's own

	// trial is set while one call may show whether the endpoint works again.
	trial atomic.Bool
	// doubted is whether this is the connection of the active endpoint and there is
	// evidence against it. A call that has failed on it then waits for the outcome.
	doubted atomic.Bool

	rescuable records       // calls in flight that can be retried elsewhere
	movable   records       // streams that can be ended and reopened elsewhere
	streak    streak        // of failed calls
	pace      pace          // how fast calls are answered
	good      atomic.Uint64 // successful answers when a deadline last passed
	load      load          // its latency, where the least loaded connection is picked

	slot int // index in a Roster; guarded by the lock of the Roster's owner

	_ [cacheLine]byte
	counters
	_ [cacheLine]byte
}

// Init initializes the connection: the endpoint's name, the address that it is
// connected to, and whether its calls carry a token of the endpoint's own.
func (c *Conn) Init(room *Room, owner Owner, name, address string, hasToken bool) {
	c.room, c.owner, c.name, c.address, c.hasToken = room, owner, name, address, hasToken
	c.done = c.newDone()
}

// Use sets the SubConn, before the connection is first eligible.
func (c *Conn) Use(sc balancer.SubConn) { c.sc = sc }

// SubConn returns the SubConn that Use has set.
func (c *Conn) SubConn() balancer.SubConn { return c.sc }

// Owner returns the owner that Init has set.
func (c *Conn) Owner() Owner { return c.owner }

// SetEligible sets whether the connection may be picked.
func (c *Conn) SetEligible(eligible bool) {
	if eligible && !c.Eligible() {
		c.load.begin(c.room.now())
	}
	c.counters.SetEligible(eligible)
}

// SetTrial sets whether one call may use the connection to show whether the endpoint
// works again.
func (c *Conn) SetTrial(on bool) { c.trial.Store(on) }

// SetDoubted sets whether calls that have failed on the connection wait, and returns
// the value before.
func (c *Conn) SetDoubted(on bool) (was bool) { return c.doubted.Swap(on) }

// Doubted returns the value that SetDoubted has set.
func (c *Conn) Doubted() bool { return c.doubted.Load() }

// Forgive resets the count of calls that failed in a row.
func (c *Conn) Forgive() { c.streak.reset() }

// Rescue calls off the calls on the connection that may be retried on another.
func (c *Conn) Rescue() {
	c.rescuable.each(func(call *attempt.Record) { call.Rescue(c.name) })
}

// EndStreams ends the streams that may be reopened elsewhere, with the error why.
func (c *Conn) EndStreams(why error) {
	c.movable.each(func(call *attempt.Record) { call.End(c.name, why) })
}

// newDone returns the function for the end of a call about which nothing is known. It
// allocates nothing and takes no lock. It is a plain closure, made once for each
// connection: a method value would copy its large argument twice. It is made only
// here: in an inlined copy the compiler calls the atomic operation instead of emitting
// it.
//
//go:noinline
func (c *Conn) newDone() func(balancer.DoneInfo) {
	return func(info balancer.DoneInfo) {
		if info.Err == nil && info.BytesReceived {
			limited := c.limited() // first, since the atomic operation delays every later load
			c.heard.Add(1)
			if limited {
				c.room.waiting.freed()
			}
			return
		}
		c.end(info, call{})
	}
}
