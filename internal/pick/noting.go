package pick

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// errNoOther ends a hedge for which there is no endpoint that the call has not tried, or
// no budget.
var errNoOther = status.Error(codes.Unavailable, "no other endpoint for a hedge")

// errSpent ends a call that has used all its attempts. It is a status error so that
// grpc's own retries end as well.
var errSpent = status.Error(codes.Unavailable, "the call has had all its attempts")

// errDenied ends a call for which only endpoints are left that have rejected their token.
var errDenied = status.Error(codes.Unauthenticated, "the endpoints that are left have rejected their tokens")

// IsSpent reports whether a call's error is the picker's report that it may have no other
// attempt: it has used all, or only endpoints are left that have rejected their token.
func IsSpent(err error) bool { return errors.Is(err, errSpent) || errors.Is(err, errDenied) }

// pickNoting picks for a call with a record of its attempts: it does not return an
// endpoint that the call has tried while there is another.
func (p *Picker) pickNoting(info balancer.PickInfo, r *attempt.Record) (balancer.PickResult, error) {
	switch r.MayTry() {
	case attempt.Spent:
		return balancer.PickResult{}, errSpent
	case attempt.CalledOff: // its context is about to end
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	default:
	}
	now := p.room.now()
	c, trial := p.enterFor(info.Ctx, r, now)
	if c == nil {
		return balancer.PickResult{}, p.refuse(r)
	}
	if r.TimesOut {
		r.SetPlaces(p.room)
	}
	if !r.Picked(info.Ctx, c.name, c.address) {
		c.giveBack()
		if r.IsHedge() && !r.Tried(c.name) {
			return balancer.PickResult{}, errNoOther // no budget
		}
		return p.pickNoting(info, r) // another attempt was made in the same moment
	}
	made := p.begin(info.Ctx, c, r, now)
	made.trial, r.Finish = trial, made.done
	switch {
	case r.Rescuable:
		c.rescuable.add(made)
		if !c.Eligible() && !p.Open {
			c.owner.PickedLate()
		}
	case r.Movable:
		c.movable.add(made)
	}
	return balancer.PickResult{SubConn: c.sc, Done: made.done}, nil
}

// refuse records that there is no endpoint for the call, and returns the error that
// makes it wait. A hedge does not wait, nor does a call that all endpoints have denied.
func (p *Picker) refuse(r *attempt.Record) error {
	switch {
	case r.IsHedge():
		return errNoOther
	case p.allDeny(r):
		return errDenied
	}
	r.Refused(p.explain)
	return balancer.ErrNoSubConnAvailable
}

// allDeny reports whether each connection that may be picked is to an endpoint that has
// rejected its token in this call, so that there is none to wait for. It returns false if
// the active endpoint is doubted, since another may soon take its place.
func (p *Picker) allDeny(r *attempt.Record) bool {
	if !r.Denied("") {
		return false
	}
	denied := false
	for c := range p.all() {
		switch {
		case !c.Eligible() && !p.Open:
		case !r.Denied(c.name) || c.doubted.Load():
			return false
		default:
			denied = true
		}
	}
	return denied
}

// giveBack undoes the count of a call that is not sent after all.
func (c *Conn) giveBack() {
	c.StepBack()
	if c.limited() {
		c.room.waiting.freed()
	}
}

// begin returns the call that is sent to the connection.
func (p *Picker) begin(ctx context.Context, c *Conn, r *attempt.Record, now time.Duration) *tracked {
	k := p.room.newCall(ctx, now)
	k.load, k.unary, k.stream = p.Least, r != nil && !r.Stream, r != nil && r.Stream
	c.pace.begin(now)
	return inFlight(c, r, k)
}

// choose returns the connection for the next attempt of a call, and whether the call
// tries the endpoint. A call that is retried is not used as a trial. r is nil if the
// call has no record.
func (p *Picker) choose(r *attempt.Record, now time.Duration) (c *Conn, trial bool) {
	if r == nil || r.Fresh() {
		if c := p.trial(); c != nil {
			return c, true
		}
	}
	if c = p.next(now); c == nil {
		return nil, false
	}
	if r != nil && !r.Fresh() && r.Tried(c.name) {
		c = p.untried(r, c, now)
		if c == nil || (r.IsHedge() || c.doubted.Load()) && r.Tried(c.name) {
			return nil, false // or the active endpoint will be known soon
		}
	}
	return c, false
}
