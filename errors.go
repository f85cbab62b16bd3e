package cantonlb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// NoEligibleError is what a call gets that found no eligible endpoint: at once,
// or, if it was willing to wait, when its context ended. The call was never
// sent, so that it may be made again whatever it does.
//
// It is a gRPC status (status.FromError, status.Code), UNAVAILABLE or that of
// the context, and errors.Is finds the context's error in it.
type NoEligibleError struct {
	// Of is the length of the list; Endpoints explains the first few of it.
	Of        int
	Endpoints []IneligibleEndpoint

	code    codes.Code
	message string
}

// IneligibleEndpoint is why one endpoint may not be picked: its Name, its State, the
// Reason, and a Detail for people. For is how long it has been so, and NextTry the
// time until the next attempt to connect; 0 where that does not apply.
type IneligibleEndpoint = report.IneligibleEndpoint

// Error gives one line of bounded length that names the first endpoints with
// their reasons.
func (e *NoEligibleError) Error() string { return e.message }

// GRPCStatus makes the error a gRPC status.
func (e *NoEligibleError) GRPCStatus() *status.Status { return status.New(e.code, e.message) }

// Unwrap gives the error of the context that ended the wait, nil if the call
// did not wait.
func (e *NoEligibleError) Unwrap() error {
	switch e.code {
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	case codes.Canceled:
		return context.Canceled
	default:
		return nil
	}
}

// AttemptsError is what a call gets that has been sent, was to be tried again, and
// failed in the end. It is the gRPC status of the last attempt that
// ended by itself, and unwraps to it.
type AttemptsError struct {
	// Attempts are the tries, in order.
	Attempts []Attempt

	err error
}

// Attempt is one try of a call on one endpoint.
type Attempt struct {
	// Endpoint is its name.
	Endpoint string
	// Code is how it ended. An attempt that was called off, because its endpoint
	// became unhealthy under it, ends CANCELLED.
	Code codes.Code
}

// Error gives the text of the last attempt's error, and the names of the
// endpoints that were tried.
func (e *AttemptsError) Error() string {
	tried := make([]string, 0, len(e.Attempts))
	for _, a := range e.Attempts {
		tried = append(tried, fmt.Sprintf("%s: %v", a.Endpoint, a.Code))
	}
	return fmt.Sprintf("%v (tried %s)", e.err, strings.Join(tried, ", "))
}

// GRPCStatus makes the error the gRPC status of the last attempt.
func (e *AttemptsError) GRPCStatus() *status.Status { return status.Convert(e.err) }

// Unwrap gives the error of the last attempt.
func (e *AttemptsError) Unwrap() error { return e.err }

// typed gives a call's error the type that tells most: a *NoEligibleError if the
// last that happened to it was that there was nothing to pick, an *AttemptsError
// if it was tried more than once.
func typed(err error, record *attempt.Record) error {
	//lint:ignore SA1019 grpc has no other way to tell
	if err == nil || errors.Is(err, grpc.ErrClientConnClosing) { //nolint:staticcheck // as above
		return err // whatever it waited for, the client is closing
	}
	var none *explain.NoEligibleError
	refused := errors.As(record.Err(), &none)
	if refused && len(none.Endpoints) > 0 && !record.Sent() {
		return noneEligible(err, none)
	}
	tried := record.Attempts()
	spent := pick.IsSpent(err)
	if len(tried) == 0 || len(tried) == 1 && !refused && !spent {
		return err
	}
	e := &AttemptsError{err: err}
	for _, a := range tried {
		e.Attempts = append(e.Attempts, Attempt{Endpoint: a.Endpoint, Code: status.Code(a.Err)})
	}
	if refused || spent { // what the attempts met says more than that there was no further one
		for _, a := range tried {
			if a.Err != nil && !a.CalledOff {
				e.err = a.Err
			}
		}
	}
	return e
}

// noneEligible makes the typed error of a call that ended with err because of
// none.
func noneEligible(err error, none *explain.NoEligibleError) error {
	e := &NoEligibleError{Of: none.Of, Endpoints: slices.Clone(none.Endpoints), code: status.Code(err), message: none.Error()}
	switch e.code {
	case codes.Unavailable:
	case codes.DeadlineExceeded:
		e.message = "deadline exceeded while waiting: " + e.message
	case codes.Canceled:
		e.message = "canceled while waiting: " + e.message
	default:
		return err
	}
	return e
}
