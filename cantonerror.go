package cantonlb

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/cantonerr"
)

// CantonError is what a Canton or Daml node says about the error of a call,
// beyond its gRPC code. AsCantonError reads it. As an error it is the one that it
// was read from.
type CantonError struct {
	// ID names the error, such as "DUPLICATE_COMMAND". Never empty.
	ID string
	// Category is its class, 0 if the node does not say.
	Category ErrorCategory
	// CorrelationID finds the request in the node's logs; perhaps only its first
	// eight characters. Empty if there is none.
	CorrelationID string
	// DefiniteAnswer tells that the node knows that the command was not and will
	// not be accepted. While it is false, the command may yet be.
	DefiniteAnswer bool
	// RetryDelay is how long the node asks to wait before the next try, at most an
	// hour; 0 if it does not ask.
	RetryDelay time.Duration
	// Metadata is what else the node says, by key, such as "completion_offset" with
	// DUPLICATE_COMMAND. Nil if nothing. It is text of a peer.
	Metadata map[string]string

	err error
}

// ErrorCategory is the class to which a node's error belongs, as in the error
// model that Canton documents. Each goes with one gRPC code.
type ErrorCategory int

// The categories. A newer node may have others.
const (
	// TransientServerFailure: UNAVAILABLE; the request may have been processed.
	TransientServerFailure ErrorCategory = 1
	// ContentionOnSharedResources: ABORTED, such as of an overloaded node.
	ContentionOnSharedResources ErrorCategory = 2
	// DeadlineExceededRequestStateUnknown: DEADLINE_EXCEEDED; the request may yet
	// be processed.
	DeadlineExceededRequestStateUnknown ErrorCategory = 3
	// SystemInternalAssumptionViolated: INTERNAL.
	SystemInternalAssumptionViolated ErrorCategory = 4
	// MaliciousOrFaultyBehaviour: INVALID_ARGUMENT.
	MaliciousOrFaultyBehaviour ErrorCategory = 5
	// InvalidAuthenticationCredentials: UNAUTHENTICATED.
	InvalidAuthenticationCredentials ErrorCategory = 6
	// InsufficientPermission: PERMISSION_DENIED.
	InsufficientPermission ErrorCategory = 7
	// InvalidIndependentOfSystemState: INVALID_ARGUMENT.
	InvalidIndependentOfSystemState ErrorCategory = 8
	// InvalidGivenCurrentSystemStateOther: FAILED_PRECONDITION.
	InvalidGivenCurrentSystemStateOther ErrorCategory = 9
	// InvalidGivenCurrentSystemStateResourceExists: ALREADY_EXISTS.
	InvalidGivenCurrentSystemStateResourceExists ErrorCategory = 10
	// InvalidGivenCurrentSystemStateResourceMissing: NOT_FOUND.
	InvalidGivenCurrentSystemStateResourceMissing ErrorCategory = 11
	// InvalidGivenCurrentSystemStateSeekAfterEnd: OUT_OF_RANGE.
	InvalidGivenCurrentSystemStateSeekAfterEnd ErrorCategory = 12
	// BackgroundProcessDegradationWarning: a node's logs have it, calls do not.
	BackgroundProcessDegradationWarning ErrorCategory = 13
	// InternalUnsupportedOperation: UNIMPLEMENTED.
	InternalUnsupportedOperation ErrorCategory = 14
)

// AsCantonError reads what a node has said about err: from the details of its
// gRPC status (google.rpc.ErrorInfo, RequestInfo and RetryInfo), or where those are
// missing from the beginning of its message, ID(category,correlation id). err may
// be wrapped, and may be that of status.FromProto(completion.Status).Err(). It
// tells false for an error of which no node has said anything.
func AsCantonError(err error) (*CantonError, bool) {
	e, ok := cantonerr.From(err)
	if !ok {
		return nil, false
	}
	return &CantonError{
		ID: e.ID, Category: ErrorCategory(e.Category), CorrelationID: e.CorrelationID,
		DefiniteAnswer: e.DefiniteAnswer, RetryDelay: e.RetryDelay, Metadata: e.Metadata, err: err,
	}, true
}

// Error gives the text of the error that it was read from.
func (e *CantonError) Error() string { return e.err.Error() }

// Unwrap gives the error that it was read from.
func (e *CantonError) Unwrap() error { return e.err }

// Retryable tells whether a node has said of err that the same request may
// succeed later: whether its category is 1, 2, 3 or 12. Wait for
// CantonError.RetryDelay, or a second if that is 0, longer each time and with
// jitter. Of category 2 Canton says that it is for the application to retry and
// not for a load balancer, and so this package does not; and of 1 and 3 that the
// request may have been processed, so that a command needs its command id again.
//
// It is false for an error of which no node has said anything, such as that of a
// lost connection. Judge those by their gRPC codes.
func Retryable(err error) bool {
	e, ok := cantonerr.From(err)
	return ok && e.Category.Retryable()
}

// AlreadyDone tells whether err is a node's word that it has accepted this command
// before (DUPLICATE_COMMAND): to a retry, that is success. If the command was not
// a retry, its command id has been used by another one.
func AlreadyDone(err error) bool { return cantonerr.AlreadyDone(err) }
