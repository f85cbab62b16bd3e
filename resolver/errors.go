package resolver

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
)

// bad returns the error about a value: a string, or a number. The caller sets its
// field.
func bad[V string | int](value V, want, problem string, args ...any) *configerr.Error {
	return &configerr.Error{Value: shown(value), Problem: fmt.Sprintf(problem, args...), Want: want}
}

// wrong is like bad, without a value to show.
func wrong(want, problem string, args ...any) *configerr.Error {
	return &configerr.Error{Problem: fmt.Sprintf(problem, args...), Want: want}
}

// shown returns a value in the form for an error: without secrets and not too long.
func shown(value any) string {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Sprint(value)
	case mayHoldSecret(text):
		return fault.Hidden
	default:
		return fault.Quote(text)
	}
}

// mayHoldSecret reports whether text has user information in it, or a part of it:
// a password may hold any of the characters that separate the parts of a URL or
// of a list, so only the absence of an @ proves that there is none.
func mayHoldSecret(text string) bool {
	return strings.Contains(text, "@") || strings.Contains(text, "%40")
}

// report records the fault of a field, relative to an endpoint. A nil error is no fault.
type report func(field string, err *configerr.Error) (failed bool)

// in returns the report of the parts of a field.
func (r report) in(field string) report {
	return func(part string, err *configerr.Error) bool { return r(fault.Join(field, part), err) }
}
