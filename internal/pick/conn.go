package pick

import (
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/report"
)

// cacheLine is the size that keeps two counters from sharing one; 128 because
// processors fetch lines in pairs.
const cacheLine = 128

// Owner hears of what the calls on a connection find out. Its methods are called at the
// end of a call, or during a pick, without a lock of this package, and may lock.
type Owner interface {
	// CallsFail: as many calls in a row have failed as an ejection takes.
	CallsFail()
	// TrialEnds: the call that tried the endpoint has ended, answered or not.
	TrialEnds(answered bool)
	// AnswerSpeaksAgainst: the answer of a call says why the endpoint may be in trouble.
	AnswerSpeaksAgainst(why report.Reason)
	// PickedLate: a call that can be made elsewhere was given to the connection in the
	// moment in which that turned bad.
	PickedLate()
}

// Conn is one connection as a pick sees it. Make it with Init. It is safe for
// concurrent use.
type Conn struct {
	// Set before the connection is eligible for the first time.
	sc   balancer.SubConn
	done func(balancer.DoneInfo)
	room *Room
	// owner is the connection's, whom it belongs to.
	owner         Owner
	name, address string
	hasToken      bool // calls carry a token of the endpoint's own

	// trial is set while one call may try whether the endpoint works again.
	trial atomic.Bool
	// doubted is whether this is the connection of the active endpoint and something
	// speaks against it, so that a call that it has failed waits for what comes of that.
	doubted atomic.Bool

	rescuable records // the calls in flight that can be made elsewhere
	movable   records // the streams that can be ended, to be opened elsewhere
	streak    streak  // of failed calls

	slot int // the place in a Roster; guarded by what guards that

	_ [cacheLine]byte
	counters
	_ [cacheLine]byte
}

// Init makes the connection one of an endpoint's: its name, the address that it is
// connected to, and whether its calls carry a token of the endpoint's own.
func (c *Conn) Init(room *Room, owner Owner, name, address string, hasToken bool) {
	c.room, c.owner, c.name, c.address, c.hasToken = room, owner, name, address, hasToken
	c.done = c.newDone()
}

// Use sets the SubConn, before the connection is first eligible.
func (c *Conn) Use(sc balancer.SubConn) { c.sc = sc }

// SubConn returns what Use has set.
func (c *Conn) SubConn() balancer.SubConn { return c.sc }

// Owner returns what Init has set.
func (c *Conn) Owner() Owner { return c.owner }

// SetTrial offers the connection to one call, which is to show whether the endpoint
// works again, or to none.
func (c *Conn) SetTrial(on bool) { c.trial.Store(on) }

// SetDoubted says whether calls that the connection has failed are to wait, and
// returns whether they were.
func (c *Conn) SetDoubted(on bool) (was bool) { return c.doubted.Swap(on) }

// Doubted returns what SetDoubted has set.
func (c *Conn) Doubted() bool { return c.doubted.Load() }

// Forgive forgets the calls that failed in a row.
func (c *Conn) Forgive() { c.streak.reset() }

// Rescue calls off the calls on the connection that may be made again on another.
func (c *Conn) Rescue() {
	c.rescuable.each(func(call *attempt.Record) { call.Rescue(c.name) })
}

// EndStreams ends the streams that may be opened elsewhere, with this error.
func (c *Conn) EndStreams(why error) {
	c.movable.each(func(call *attempt.Record) { call.End(c.name, why) })
}

// newDone makes the function that keeps the accounts when a call ends. It
// allocates nothing and takes no lock. It is a plain closure, made once for each
// connection: a method value would copy its large argument twice. And it is made nowhere
// else: in a copy that is inlined, the compiler calls the atomic step in place of
// emitting it.
//
//go:noinline
func (c *Conn) newDone() func(balancer.DoneInfo) {
	return func(info balancer.DoneInfo) {
		if info.Err == nil && info.BytesReceived {
			c.heard.Add(1)
			return
		}
		c.ended(info.Err, info.BytesReceived)
	}
}

// ended accounts for a call that did not just go well.
func (c *Conn) ended(err error, answered bool) {
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
func (c *Conn) failure(err error, answered bool) {
	inARow := c.streak.fail(answered, c.heard.Add)
	if !answered {
		c.unheard.Add(1)
	}
	c.failed.Add(1)
	if inARow >= int(c.room.ejectAfter.Load()) {
		c.owner.CallsFail()
	}
	switch {
	case c.deniesToken(err, answered):
		c.owner.AnswerSpeaksAgainst(report.ReasonCallsDenied)
	case answered && cantonerr.PassiveReplica(err):
		c.owner.AnswerSpeaksAgainst(report.ReasonPassiveReplica)
	}
}

// trialDone is the end of the call that tries an endpoint after its ejection.
func (c *Conn) trialDone(info balancer.DoneInfo) {
	c.done(info)
	switch {
	case info.Err != nil && c.speaksAgainst(info.Err, info.BytesReceived):
		c.owner.TrialEnds(false)
	case info.BytesReceived:
		c.owner.TrialEnds(true)
	}
}

// deniesToken tells that a server did not take the token that is the endpoint's own:
// it has expired, or it is the wrong one. The call was not executed.
func (c *Conn) deniesToken(err error, answered bool) bool {
	return answered && c.hasToken && status.Code(err) == codes.Unauthenticated
}

// speaksAgainst tells whether a call's error says something about the endpoint.
func (c *Conn) speaksAgainst(err error, answered bool) bool {
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
