package strictjson

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// MaxEcho bounds how much of a bad value or of an unknown key an Error shows,
// in bytes.
const MaxEcho = 64

// Error says what is wrong with one value of a configuration.
type Error struct {
	// Field is the path of keys that leads to the value, such as
	// "healthCheck.interval". Empty: the whole document.
	Field string
	// Value is the bad value, in JSON's notation. Empty where showing it would
	// not help, or where it might be a secret.
	Value string
	// Want says what would be right; it reads on after the word "want".
	Want string
}

// Error gives, for example,
//
//	healthCheck.interval "-1s": want a duration above zero, such as "1s"
//
// It is one line and shows at most MaxEcho bytes of Value.
func (e *Error) Error() string {
	what := strings.TrimSpace(e.Field + " " + Echo(e.Value))
	if what == "" {
		return "want " + e.Want
	}
	return what + ": want " + e.Want
}

// Echo returns text as an error shows it: one line of printable characters of at
// most MaxEcho bytes.
func Echo(s string) string { return cleantext.Value(s, MaxEcho) }

// Join gives the path of a part: Join("a", "b") is "a.b", and Join("a", "[1].b")
// is "a[1].b", as an index needs no dot.
func Join(field, part string) string {
	if field == "" || part == "" || strings.HasPrefix(part, "[") {
		return field + part
	}
	return field + "." + part
}

// Prefix puts field before the Field of every Error in err, which may be one
// Error or several that were joined by errors.Join. Any other error is wrapped
// in a text that begins with field. Prefix of nil is nil; err is not changed.
func Prefix(field string, err error) error {
	if err == nil {
		return nil
	}
	// Not errors.As: only the outermost error is looked at, since the path of
	// each of several joined errors must be rewritten.
	switch e := err.(type) { //nolint:errorlint // see above
	case *Error:
		c := *e
		c.Field = Join(field, c.Field)
		return &c
	case interface{ Unwrap() []error }:
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, Prefix(field, one))
		}
		return errors.Join(all...)
	default:
		return fmt.Errorf("%s: %w", field, err)
	}
}
