package cantonlb

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// AttemptEventKind says what an AttemptEvent is about.
type AttemptEventKind string

// The kinds of attempt events.
const (
	// AttemptStarted: an endpoint has been picked for the attempt. The context is
	// the attempt's, so that a stats handler's values are in it.
	AttemptStarted AttemptEventKind = "started"
	// AttemptEnded: the attempt is over, for good or ill. The context is the same.
	AttemptEnded AttemptEventKind = "ended"
	// CallRescued: the endpoint became unhealthy under the call, which was called
	// off there and is now made again on another. The context is the call's.
	CallRescued AttemptEventKind = "rescued"
)

// AttemptEvent is what happened to one attempt of a call.
type AttemptEvent struct {
	Kind AttemptEventKind
	// Method is the full name of the call's method, such as "/pkg.Service/Method".
	Method string
	// Endpoint is the name of the endpoint that was picked, and Address the one to
	// which it is connected.
	Endpoint, Address string
	// Number is which attempt of the call this is, from 1.
	Number int
	// Code is how the attempt ended; OK for one that has only begun. One that was
	// called off by a rescue ends CANCELLED.
	Code codes.Code
}

// observer gives the function that a call's record tells of its attempts, nil if
// nobody wants to know.
func (r *rescuer) observer(method string) func(context.Context, attempt.Observed) {
	if r.observe == nil {
		return nil
	}
	return func(ctx context.Context, o attempt.Observed) {
		e := AttemptEvent{
			Kind: AttemptStarted, Method: method, Endpoint: o.Endpoint, Address: o.Address, Number: o.Number,
		}
		if o.Ended {
			e.Kind, e.Code = AttemptEnded, status.Code(o.Err)
		}
		r.observe(ctx, e)
	}
}
