package cantonlb

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/endpointset"
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

// IneligibleEndpoint is why one endpoint may not be picked.
type IneligibleEndpoint struct {
	Name string
	// State is a word such as "unhealthy", "unknown", "connecting" or "drained".
	State string
	// Reason is why, if it is about the endpoint's health.
	Reason healthcheck.Reason
	// Detail is for people: a bounded text, such as that of a connection error.
	Detail string
	// For is how long it has been so, and NextTry the time until the next
	// attempt to connect; 0 where that does not apply.
	For, NextTry time.Duration
}

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

// typed turns a call's error into a *NoEligibleError if the last that happened
// to the call was that there was nothing to pick.
func typed(err error, record *attempt.Record) error {
	if err == nil {
		return nil
	}
	none, ok := errors.AsType[*endpointset.NoEligibleError](record.Err())
	if !ok || len(none.Endpoints) == 0 {
		return err
	}
	e := &NoEligibleError{Of: none.Of, code: status.Code(err), message: none.Error()}
	switch e.code {
	case codes.Unavailable:
	case codes.DeadlineExceeded:
		e.message = "deadline exceeded while waiting: " + e.message
	case codes.Canceled:
		e.message = "canceled while waiting: " + e.message
	default:
		return err
	}
	for _, x := range none.Endpoints {
		e.Endpoints = append(e.Endpoints, IneligibleEndpoint(x))
	}
	return e
}
