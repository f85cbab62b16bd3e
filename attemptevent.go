package cantonlb

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// AttemptEventKind is the kind of an AttemptEvent.
type AttemptEventKind string

// The kinds of attempt events.
const (
	// AttemptStarted means that an endpoint has been picked for the attempt. The
	// context is that of the attempt, with the values of stats handlers.
	AttemptStarted AttemptEventKind = "started"
	// AttemptEnded means that the attempt has ended, with success or with an error.
	// The context is that of the attempt.
	AttemptEnded AttemptEventKind = "ended"
	// CallRescued means that the endpoint became unhealthy during the call. The
	// attempt there was canceled, and the call is now reissued on another endpoint.
	// The context is that of the call.
	CallRescued AttemptEventKind = "rescued"
)

// AttemptEvent reports a change in one attempt of a call.
type AttemptEvent struct {
	Kind AttemptEventKind
	// Method is the full name of the call's method, such as "/pkg.Service/Method".
	Method string
	// Endpoint is the name of the endpoint that was picked. Address is the address
	// to which it is connected.
	Endpoint, Address string
	// Number is the number of the attempt within the call, counted from 1. After an
	// attempt whose connection had ended before grpc could use it, which ends with
	// UNAVAILABLE, the next one may have the same number.
	Number int
	// Hedge says that the attempt is a hedge: it is made beside an earlier one that
	// takes long.
	Hedge bool
	// Code is the code with which the attempt ended, or OK if it has only begun. An
	// attempt that was canceled, by a rescue or because another one was answered first,
	// ends with CANCELLED.
	Code codes.Code
}

// observer returns the function to which a call's record reports its attempts, or nil
// if no observer is set.
func (r *rescuer) observer(method string) func(context.Context, attempt.Observed) {
	if r.observe == nil {
		return nil
	}
	return func(ctx context.Context, o attempt.Observed) {
		e := AttemptEvent{
			Kind: AttemptStarted, Method: method, Endpoint: o.Endpoint, Address: o.Address, Number: o.Number, Hedge: o.Hedge,
		}
		if o.Ended {
			e.Kind, e.Code = AttemptEnded, status.Code(o.Err)
		}
		r.observe(ctx, e)
	}
}
