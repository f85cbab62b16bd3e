package cantonlb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

// NoEligibleError is the error of a call for which no endpoint is eligible. The call
// returns it at once or, if it waits, when its context ends. The call was never sent,
// so it may be reissued whatever its method does.
//
// It is a gRPC status (status.FromError, status.Code) with the code UNAVAILABLE or
// that of the context's error, which errors.Is finds in it. If no endpoint is eligible
// for the only reason that the endpoints' own credentials fail, it has the code of the
// credentials.
type NoEligibleError struct {
	// Of is the length of the list. Endpoints explains the first few entries.
	Of        int
	Endpoints []IneligibleEndpoint

	code    codes.Code
	message string
}

// IneligibleEndpoint explains why one endpoint may not be picked: its Name, its State,
// the Reason, and a Detail for people. Phase is how far the attempt to connect has come,
// if one is under way. For is how long the endpoint has been in this state or phase, and
// NextTry is the time until the next attempt to connect. Both are 0 where they do not
// apply.
type IneligibleEndpoint = report.IneligibleEndpoint

// Error returns one line of bounded length that names the first endpoints with
// their reasons.
func (e *NoEligibleError) Error() string { return e.message }

// GRPCStatus returns the error as a gRPC status.
func (e *NoEligibleError) GRPCStatus() *status.Status { return status.New(e.code, e.message) }

// Unwrap returns the error of the context that ended the wait, or nil if the call did
// not wait.
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

// AttemptError is the error of a call or a stream that was tried on one endpoint: the
// error of opening a stream, of sending or of receiving too. It says which endpoint, and
// is otherwise like the error that it wraps: status.FromError returns the same code,
// message and details, and errors.Is and errors.As find the same errors. The end of a
// stream, io.EOF, is not wrapped.
type AttemptError struct {
	// Endpoint is the name of the endpoint. Address is the address to which it is, or
	// was, connected.
	Endpoint, Address string

	err error
}

// Error returns the text of the error that Unwrap returns, with the endpoint and its
// address.
func (e *AttemptError) Error() string {
	return fmt.Sprintf("%v (endpoint %s)", e.err, placeText(e.Endpoint, e.Address))
}

// GRPCStatus returns the gRPC status of the error that Unwrap returns.
func (e *AttemptError) GRPCStatus() *status.Status { return status.Convert(e.err) }

// Unwrap returns the error as grpc has returned it.
func (e *AttemptError) Unwrap() error { return e.err }

// placeText returns, for example, `"seq1" at 10.0.0.1:5001`. A foreign resolver may use
// any name.
func placeText(endpoint, address string) string {
	name, at := cleantext.Detail(endpoint), cleantext.Detail(address)
	if name == at {
		return name
	}
	return fmt.Sprintf("%q at %s", name, at)
}

// AttemptsError is the error of a call that was sent, was to be reissued, and finally
// failed. It has the gRPC status of the last attempt that was not canceled, and
// unwraps to that attempt's error.
type AttemptsError struct {
	// Attempts are the attempts of the call, in order.
	Attempts []Attempt

	err error
}

// Attempt is one attempt of a call on one endpoint.
type Attempt struct {
	// Endpoint is the name of the endpoint. Address is the address to which it is, or
	// was, connected.
	Endpoint, Address string
	// Code is the code with which the attempt ended. An attempt that was canceled
	// because its endpoint became unhealthy ends with CANCELLED.
	Code codes.Code
}

// Error returns the text of the error that Unwrap returns, and the endpoints that were
// tried, with their addresses.
func (e *AttemptsError) Error() string {
	tried := make([]string, 0, len(e.Attempts))
	for _, a := range e.Attempts {
		tried = append(tried, fmt.Sprintf("%s: %v", placeText(a.Endpoint, a.Address), a.Code))
	}
	return fmt.Sprintf("%v (tried %s)", e.err, strings.Join(tried, ", "))
}

// GRPCStatus returns the gRPC status of the last attempt that was not canceled.
func (e *AttemptsError) GRPCStatus() *status.Status { return status.Convert(e.err) }

// Unwrap returns the error of the last attempt that was not canceled.
func (e *AttemptsError) Unwrap() error { return e.err }

// typed converts the error of a call to the most specific type: a *NoEligibleError if
// the call ended because no endpoint was eligible, an *AttemptsError if there was more
// than one attempt, or an *AttemptError if there was one.
func typed(err error, record *attempt.Record) error {
	//lint:ignore SA1019 grpc has no other way to detect it
	if err == nil || err == io.EOF || errors.Is(err, grpc.ErrClientConnClosing) { //nolint:staticcheck,errorlint // as above; io.EOF is never wrapped
		return err // the client is closing, whatever the call was waiting for
	}
	var none *explain.NoEligibleError
	var full *pick.FullError
	why := record.Err()
	refused := errors.As(why, &none) || errors.As(why, &full)
	switch {
	case !refused || record.Sent():
	case full != nil:
		return noStream(err, full)
	case len(none.Endpoints) > 0:
		return noneEligible(err, none)
	}
	tried := record.Attempts()
	spent := pick.IsSpent(err) || errors.Is(err, errLost)
	switch {
	case len(tried) == 0:
		return err
	case len(tried) == 1 && !refused && !spent:
		return &AttemptError{Endpoint: tried[0].Endpoint, Address: tried[0].Address, err: err}
	}
	e := &AttemptsError{err: err}
	for _, a := range tried {
		e.Attempts = append(e.Attempts, Attempt{Endpoint: a.Endpoint, Address: a.Address, Code: status.Code(a.Err)})
	}
	if refused || spent { // the errors of the attempts say more than the lack of a further one
		for _, a := range tried {
			if a.Err != nil && !a.CalledOff {
				e.err = scrubbed(context.Background(), a.Err)
			}
		}
	}
	return e
}

// noStream returns the error of a call that ended with err while it waited for a stream.
func noStream(err error, full *pick.FullError) error {
	code := status.Code(err)
	if code != codes.DeadlineExceeded && code != codes.Canceled {
		return err
	}
	return status.Error(code, waiting[code]+full.Error())
}

// waiting is how the message of a call begins that ended with this code before it was
// sent.
var waiting = map[codes.Code]string{
	codes.DeadlineExceeded: "deadline exceeded while waiting: ", codes.Canceled: "canceled while waiting: ",
}

// noneEligible returns the typed error of a call that ended with err because of none.
func noneEligible(err error, none *explain.NoEligibleError) error {
	e := &NoEligibleError{Of: none.Of, Endpoints: slices.Clone(none.Endpoints), code: status.Code(err), message: none.Error()}
	switch e.code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		e.message = waiting[e.code] + e.message
		if code, ok := credentialsCode(none); ok && e.code == codes.Unavailable {
			e.code = code
		}
		return e
	default:
		return err
	}
}

// credentialsCode returns the code of the first endpoint's own credentials, if no
// endpoint is eligible for the only reason that its credentials fail.
func credentialsCode(none *explain.NoEligibleError) (code codes.Code, ok bool) {
	for _, e := range none.Endpoints {
		if e.Reason != report.ReasonCredentialsFailed {
			return codes.OK, false
		}
	}
	name, _, _ := strings.Cut(none.Endpoints[0].Detail, ":") // as healthcheck writes it
	err := code.UnmarshalJSON([]byte(strconv.Quote(name)))
	return code, err == nil && code != codes.OK
}
