package fault

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// MaxShown bounds how much of a bad value, or of an unknown key, an error shows, in
// bytes.
const MaxShown = 100

// Hidden stands for a value that may hold a secret.
const Hidden = "[hidden]"

// Show returns s as an error shows it: one line of printable characters of at most
// MaxShown bytes.
func Show(s string) string { return cleantext.Value(s, MaxShown) }

// Quote returns a string as a JSON value: in quotation marks, with unprintable
// characters as Go's escapes.
func Quote[T ~string](s T) string { return strconv.Quote(cleantext.Cut(string(s), MaxShown)) }

// Key returns a key as it appears in the Field of an error: unchanged if it is
// plain text, otherwise quoted.
func Key(key string) string {
	short := Show(key)
	plain := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if short == "" || short != key || strings.ContainsFunc(key, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(short)
	}
	return short
}
