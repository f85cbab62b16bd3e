package cantonerr

import "strconv"

// Category is the class to which a node's error belongs, as its number.
type Category int

// The categories of which Canton documents that the same request may succeed
// later, with the gRPC codes that go with them.
const (
	transientServerFailure      Category = 1  // UNAVAILABLE
	contentionOnSharedResources Category = 2  // ABORTED
	deadlineExceeded            Category = 3  // DEADLINE_EXCEEDED, and the request's fate is unknown
	seekPastEnd                 Category = 12 // OUT_OF_RANGE
)

// mostCategory bounds the numbers that are taken for a category. Canton has 14.
const mostCategory = 99

// Retryable tells whether the same request may succeed later. For all other
// categories something has to change first.
func (c Category) Retryable() bool {
	switch c {
	case transientServerFailure, contentionOnSharedResources, deadlineExceeded, seekPastEnd:
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
