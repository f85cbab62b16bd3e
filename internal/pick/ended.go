package pick

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/internal/evidence"
	"github.com/cantonlb/cantonlb/report"
)

// call is what is known about a call in flight. The zero value stands for a call about
// which nothing is known.
type call struct {
	begun    time.Duration // on the room's clock; 0 means unknown
	patience time.Duration // from its begin to its deadline; 0 means that it has none
	unary    bool          // certainly not a stream
	stream   bool          // certainly a stream
	trial    bool          // it tries an endpoint after its ejection
	load     bool          // its duration counts as load
	late     bool          // it was canceled because it took too long
}

// newCall returns the call with this context, which begins now.
func (r *Room) newCall(ctx context.Context, now time.Duration) call {
	k := call{begun: now}
	if ctx == nil {
		return k
	}
	if deadline, ok := ctx.Deadline(); ok {
		k.patience = max(1, deadline.Sub(r.opened)-now)
	}
	return k
}

// hasDeadline reports whether the context of a pick, which may be nil, has a deadline.
func hasDeadline(ctx context.Context) bool {
	if ctx == nil {
		return false
	}
	_, ok := ctx.Deadline()
	return ok
}

// now reads the room's clock, which is monotonic. It returns more than 0.
func (r *Room) now() time.Duration { return time.Since(r.opened) }

// timeEvery is the share of calls without a record and without a deadline that are
// timed: one of this many.
const timeEvery = 256

// doneOf returns the function to call at the end of a call on c without a record.
func (c *Conn) doneOf(ctx context.Context, trial bool) func(balancer.DoneInfo) {
	if trial || c.admitted.Load()%timeEvery == 0 || hasDeadline(ctx) {
		return c.timed(ctx, trial)
	}
	return c.done
}

// timed is doneOf for a call of which the time is taken.
func (c *Conn) timed(ctx context.Context, trial bool) func(balancer.DoneInfo) {
	k := c.room.newCall(ctx, c.room.now())
	k.trial = trial
	c.pace.begin(k.begun)
	return inFlight(c, nil, k).done
}

// end counts the end of a call, and returns what it shows about the endpoint.
func (c *Conn) end(info balancer.DoneInfo, k call) evidence.Reason {
	if c.limited() {
		defer c.room.waiting.freed()
	}
	now := c.room.now()
	how := evidence.Of(info)
	how.Stream, how.Token = !k.unary, c.hasToken
	how.Short = how.Code == codes.DeadlineExceeded && k.patience > 0 && c.tooShort(now, k.patience)
	how.Stalled = how.Code == codes.DeadlineExceeded && c.room.beat.stalled(now, k.patience)
	how.Late = k.late && now-c.lastAnswer(now) >= lateAfter && !c.room.beat.stalled(now, now-k.begun)
	why := evidence.Judge(how)
	if info.BytesReceived && (how.Code == codes.Unauthenticated || how.Code == codes.PermissionDenied) {
		c.denied.Add(1)
	}
	if k.load {
		early := info.BytesReceived && k.unary && !k.late && (k.patience == 0 || now-k.begun < k.patience)
		c.load.end(resultOf(why, how.Code, early), k, now)
	}
	switch {
	case why.Counts():
		c.failure(info.Err, info.BytesReceived, why)
	case info.BytesReceived:
		c.heard.Add(1)
		if why == evidence.Succeeded || why == evidence.ErrorOfTheCall {
			c.pace.answer(now, k)
			c.room.pace.answer(now, k)
		}
	default:
		c.unheard.Add(1)
	}
	switch {
	case !k.trial:
	case why.Counts():
		c.owner.TrialEnds(false)
	case info.BytesReceived:
		c.owner.TrialEnds(true)
	}
	return why
}

// tooShort reports whether a deadline that has passed left the endpoint too little time
// while calls are answered.
func (c *Conn) tooShort(now, patience time.Duration) bool {
	c.lastAnswer(now)
	return c.pace.load().Short(now, patience, c.room.pace.load())
}

// lateAfter is how long an endpoint must not have answered until an attempt that took
// too long counts: a server that pauses for a moment works.
const lateAfter = 100 * time.Millisecond

// lastAnswer returns when the endpoint last answered, or when the first call was made.
func (c *Conn) lastAnswer(now time.Duration) time.Duration {
	if good := c.streak.successes(c.heard.Load()); c.good.Swap(good) != good { // not all answers are timed
		c.pace.answered.Store(int64(now))
	}
	u := c.pace.load()
	return max(u.Since, u.Answered)
}

// failure counts a call that is evidence against the endpoint.
func (c *Conn) failure(err error, answered bool, why evidence.Reason) {
	inARow := c.streak.fail(answered, c.heard.Add)
	if !answered {
		c.unheard.Add(1)
	}
	c.failed.Add(1)
	if inARow >= int(c.room.ejectAfter.Load()) {
		c.owner.CallsFail()
	}
	switch {
	case why == evidence.TokenRejected:
		c.owner.AnswerSpeaksAgainst(report.ReasonCallsDenied)
	case answered && cantonerr.PassiveReplica(err):
		c.owner.AnswerSpeaksAgainst(report.ReasonPassiveReplica)
	}
}

// pace is what calls show about the usual time of one endpoint, or of all. Its parts
// may be of different calls, which does no harm.
type pace struct{ since, answered, took atomic.Int64 }

// begin notes that a call begins.
func (p *pace) begin(now time.Duration) {
	if p.since.Load() == 0 {
		p.since.CompareAndSwap(0, int64(now))
	}
}

func (p *pace) load() evidence.Usual {
	return evidence.Usual{
		Since: time.Duration(p.since.Load()), Answered: time.Duration(p.answered.Load()), Took: time.Duration(p.took.Load()),
	}
}

const (
	// paceEvery is how often a pace is updated by calls that are not slower than the
	// known ones.
	paceEvery = 10 * time.Millisecond
	// mostUnsure bounds the time of a call that may be a stream. A longer one says
	// nothing about how long the endpoint needs.
	mostUnsure = time.Second
)

// answer notes that a call has been answered. The duration of a stream is not the
// time that the endpoint needs.
func (p *pace) answer(now time.Duration, k call) {
	took := now - k.begun
	if k.begun == 0 || !k.unary && took > mostUnsure {
		took = 0
	}
	u := p.load()
	if took <= u.Took && now-u.Answered < paceEvery {
		return
	}
	u = u.Next(now, took)
	p.answered.Store(int64(u.Answered))
	p.took.Store(int64(u.Took))
}
