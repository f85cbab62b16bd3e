package cantonerr

import "strconv"

// Category is the class of a node's error in the error model that Canton documents.
// Each category has one gRPC code.
type Category int

// The categories. A newer node may have others.
const (
	// TransientServerFailure has the code UNAVAILABLE. The request may have been
	// processed.
	TransientServerFailure Category = 1
	// ContentionOnSharedResources has the code ABORTED. An overloaded node returns it,
	// for example.
	ContentionOnSharedResources Category = 2
	// DeadlineExceededRequestStateUnknown has the code DEADLINE_EXCEEDED. The request
	// may still be processed.
	DeadlineExceededRequestStateUnknown Category = 3
	// SystemInternalAssumptionViolated has the code INTERNAL.
	SystemInternalAssumptionViolated Category = 4
	// MaliciousOrFaultyBehaviour has the code INVALID_ARGUMENT.
	MaliciousOrFaultyBehaviour Category = 5
	// InvalidAuthenticationCredentials has the code UNAUTHENTICATED.
	InvalidAuthenticationCredentials Category = 6
	// InsufficientPermission has the code PERMISSION_DENIED.
	InsufficientPermission Category = 7
	// InvalidIndependentOfSystemState has the code INVALID_ARGUMENT.
	InvalidIndependentOfSystemState Category = 8
	// InvalidGivenCurrentSystemStateOther has the code FAILED_PRECONDITION.
	InvalidGivenCurrentSystemStateOther Category = 9
	// InvalidGivenCurrentSystemStateResourceExists has the code ALREADY_EXISTS.
	InvalidGivenCurrentSystemStateResourceExists Category = 10
	// InvalidGivenCurrentSystemStateResourceMissing has the code NOT_FOUND.
	InvalidGivenCurrentSystemStateResourceMissing Category = 11
	// InvalidGivenCurrentSystemStateSeekAfterEnd has the code OUT_OF_RANGE.
	InvalidGivenCurrentSystemStateSeekAfterEnd Category = 12
	// BackgroundProcessDegradationWarning appears in a node's logs, never in an
	// answer.
	BackgroundProcessDegradationWarning Category = 13
	// InternalUnsupportedOperation has the code UNIMPLEMENTED.
	InternalUnsupportedOperation Category = 14
)

// mostCategory bounds the numbers that are accepted as a category. Canton has 14.
const mostCategory = 99

// Retryable reports whether Canton documents that the same request may succeed later.
// For all other categories something must change first.
func (c Category) Retryable() bool {
	switch c {
	case TransientServerFailure, ContentionOnSharedResources, DeadlineExceededRequestStateUnknown,
		InvalidGivenCurrentSystemStateSeekAfterEnd:
		return true
	default:
		return false
	}
}

// parseCategory reads a category's number as a node writes it: only digits.
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
