package cantonerr

import "strconv"

// Category is the class to which a node's error belongs, as in the error model
// that Canton documents. Each goes with one gRPC code.
type Category int

// The categories. A newer node may have others.
const (
	// TransientServerFailure: UNAVAILABLE; the request may have been processed.
	TransientServerFailure Category = 1
	// ContentionOnSharedResources: ABORTED, such as of an overloaded node.
	ContentionOnSharedResources Category = 2
	// DeadlineExceededRequestStateUnknown: DEADLINE_EXCEEDED; the request may yet
	// be processed.
	DeadlineExceededRequestStateUnknown Category = 3
	// SystemInternalAssumptionViolated: INTERNAL.
	SystemInternalAssumptionViolated Category = 4
	// MaliciousOrFaultyBehaviour: INVALID_ARGUMENT.
	MaliciousOrFaultyBehaviour Category = 5
	// InvalidAuthenticationCredentials: UNAUTHENTICATED.
	InvalidAuthenticationCredentials Category = 6
	// InsufficientPermission: PERMISSION_DENIED.
	InsufficientPermission Category = 7
	// InvalidIndependentOfSystemState: INVALID_ARGUMENT.
	InvalidIndependentOfSystemState Category = 8
	// InvalidGivenCurrentSystemStateOther: FAILED_PRECONDITION.
	InvalidGivenCurrentSystemStateOther Category = 9
	// InvalidGivenCurrentSystemStateResourceExists: ALREADY_EXISTS.
	InvalidGivenCurrentSystemStateResourceExists Category = 10
	// InvalidGivenCurrentSystemStateResourceMissing: NOT_FOUND.
	InvalidGivenCurrentSystemStateResourceMissing Category = 11
	// InvalidGivenCurrentSystemStateSeekAfterEnd: OUT_OF_RANGE.
	InvalidGivenCurrentSystemStateSeekAfterEnd Category = 12
	// BackgroundProcessDegradationWarning: in a node's logs, never in an answer.
	BackgroundProcessDegradationWarning Category = 13
	// InternalUnsupportedOperation: UNIMPLEMENTED.
	InternalUnsupportedOperation Category = 14
)

// mostCategory bounds the numbers that are taken for a category. Canton has 14.
const mostCategory = 99

// Retryable reports whether Canton documents that the same request may succeed
// later. For all other categories something has to change first.
func (c Category) Retryable() bool {
	switch c {
	case TransientServerFailure, ContentionOnSharedResources, DeadlineExceededRequestStateUnknown,
		InvalidGivenCurrentSystemStateSeekAfterEnd:
		return true
	default:
		return false
	}
}

// parseCategory reads a category's number as a node writes it: digits alone.
func parseCategory(s string) (Category, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > mostCategory {
		return 0, false
	}
	return Category(n), true
}
