package cantonerr

import "strings"

// Bounds of what is read, in bytes. Canton's own ids are shorter than 64.
const (
	maxID          = 63
	maxCorrelation = 128
	maxPrefix      = maxID + maxCorrelation + len("(99,): ")
)

// prefix is the beginning of a node's message: ID(category,correlation id): text.
type prefix struct {
	id          string
	category    Category
	correlation string // the first eight characters; empty if there is none
}

// parsePrefix reads the prefix of a message, and reports whether there is one.
func parsePrefix(message string) (prefix, bool) {
	head, _, ok := strings.Cut(message[:min(len(message), maxPrefix)], "): ")
	if !ok {
		return prefix{}, false
	}
	id, rest, ok := strings.Cut(head, "(")
	if !ok || !isID(id) {
		return prefix{}, false
	}
	number, correlation, ok := strings.Cut(rest, ",")
	category, valid := parseCategory(number)
	if !ok || !valid || len(correlation) > maxCorrelation {
		return prefix{}, false
	}
	if correlation == "0" { // the node writes 0 for none
		correlation = ""
	}
	return prefix{id: id, category: category, correlation: correlation}, true
}

// isID reports whether s could be the id of an error: capital letters, digits and
// underscores, beginning with a letter.
func isID(s string) bool {
	if s == "" || len(s) > maxID || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
