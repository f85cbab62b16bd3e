package jsonapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/report"
)

// ErrClosed is the error of a request or command after Close, and of a request after
// Shutdown.
var ErrClosed = errors.New("jsonapi: the client is closed")

// HostError is the error of a request for another host than the logical one, such as one
// that follows a redirect out of the service. Nothing of it was sent.
type HostError struct {
	// Scheme and Host are those of the request's URL. Want is the logical host.
	Scheme, Host, Want string
}

// Error returns a text with both hosts.
func (e *HostError) Error() string {
	if e.Scheme == "" && e.Host == "" {
		return "jsonapi: a request without a URL; want one at http://" + e.Want
	}
	return fmt.Sprintf("jsonapi: a request for %s: this client is for http://%s alone, and for the redirects of its endpoints to themselves",
		cleantext.Detail(e.Scheme+"://"+e.Host), e.Want)
}

// NoEligibleError is the error of a request for which no endpoint is eligible. Nothing
// of the request was sent, unless Attempts says so.
type NoEligibleError struct {
	// Of is the length of the list. Endpoints explains the first few entries.
	Of        int
	Endpoints []report.IneligibleEndpoint
	// Attempts are those made before.
	Attempts []Attempt
	// Err is the error of the context that ended the wait, nil if the request did not
	// wait.
	Err error

	why string
}

// Error returns one line of bounded length that names the first endpoints with their
// reasons.
func (e *NoEligibleError) Error() string {
	text := "jsonapi: " + e.why + tried(e.Attempts)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + lastOf(e.Attempts, e.Err)
}

// Unwrap returns the error of the context, if it ended the wait.
func (e *NoEligibleError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline ended the wait, as for a net.Error.
func (e *NoEligibleError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// noEligible makes the error of a request.
func noEligible(why *explain.NoEligibleError, attempts []Attempt, err error) *NoEligibleError {
	return &NoEligibleError{Of: why.Of, Endpoints: why.Endpoints, Attempts: attempts, Err: err, why: why.Error()}
}

// AttemptsError is the error of a request that was attempted and has no response. It
// unwraps to Err.
type AttemptsError struct {
	// Attempts are the attempts in order, at least one.
	Attempts []Attempt
	// Err is the error of the last attempt that was not called off, or that of the context
	// if it ended during a pause between attempts.
	Err error
	// Unsent reports that no byte of the request left, so that it was not executed.
	Unsent bool
}

// Attempt is one attempt of a request on one endpoint.
type Attempt struct {
	// Endpoint is the name of the endpoint.
	Endpoint string
	// Status is the status of its response, 0 if there was none. Err is why there was
	// none.
	Status int
	Err    error
	// Sent says that a byte of the request may have left. CalledOff says that the
	// attempt was ended because its endpoint became unhealthy, or lost to another one.
	Sent, CalledOff bool
}

// Error returns the text of Err, the endpoints that were tried, and the error of the last
// attempt if Err is another one, such as that of the context.
func (e *AttemptsError) Error() string {
	return fmt.Sprintf("jsonapi: %v%s%s", e.Err, tried(e.Attempts), lastOf(e.Attempts, e.Err))
}

// Unwrap returns Err.
func (e *AttemptsError) Unwrap() error { return e.Err }

// Timeout reports whether Err is a timeout, as for a net.Error.
func (e *AttemptsError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// maxTried is how many attempts the text of an error names.
const maxTried = 8

// tried returns a text that names the attempts, such as " (tried json1: lost, json2: 503)".
func tried(attempts []Attempt) string {
	if len(attempts) == 0 {
		return ""
	}
	var b strings.Builder
	for i, a := range attempts {
		if i == maxTried {
			fmt.Fprintf(&b, " and %d more", len(attempts)-maxTried)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %s", a.Endpoint, a.text())
	}
	return " (tried " + b.String() + ")"
}

// lastOf returns a text with the error of the last attempt that failed by itself, unless it
// is the one that is shown.
func lastOf(attempts []Attempt, shown error) string {
	for _, a := range slices.Backward(attempts) {
		switch {
		case a.Err == nil, a.CalledOff:
			continue
		case errors.Is(shown, a.Err):
			return ""
		case shown != nil && errors.Is(a.Err, shown): // it ended with the caller's context
			continue
		}
		return "; the last error of an endpoint: " + cleantext.Detail(a.Err.Error())
	}
	return ""
}

func (a Attempt) text() string {
	switch {
	case a.Status != 0:
		return fmt.Sprint(a.Status)
	case a.CalledOff:
		return "called off"
	case !a.Sent:
		return "not sent"
	default:
		return "no response"
	}
}

// deadError is the error of a request in flight on an endpoint that has not answered for
// Config.DeadAfter.
type deadError struct {
	endpoint string
	reason   report.Reason
}

func (e *deadError) Error() string {
	return fmt.Sprintf("endpoint %q does not answer any more (%s)", e.endpoint, e.reason)
}

// The causes with which attempts are called off.
var (
	errSwitched = errors.New("the server has switched to another protocol, which the request does not ask for")
	errResent   = errors.New("the server has reset the request, which may have been executed")
	errRescued  = errors.New("called off: the endpoint became unhealthy")
	errBeaten   = errors.New("called off: another endpoint has answered")
	errOver     = errors.New("the response was read")
	errLate     = errors.New("not sent: the deduplication period is over, so it might be executed a second time")
)
