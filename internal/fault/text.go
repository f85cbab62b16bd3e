package fault

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxShown bounds how much of a bad value, or of an unknown key, an error shows, in
// bytes.
const MaxShown = 100

// Hidden stands for a value that may hold a secret.
const Hidden = "[hidden]"

// Show makes text fit to be shown in an error: one line of printable characters of
// at most MaxShown bytes.
func Show(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, cut(s))
}

// Quote shows a string as a JSON value: in quotation marks, with what cannot be
// printed as Go's escapes.
func Quote[T ~string](s T) string { return strconv.Quote(cut(string(s))) }

// cut shortens text to at most MaxShown bytes, at a character.
func cut(s string) string {
	const ellipsis = "..."
	if len(s) <= MaxShown {
		return s
	}
	s = s[:MaxShown-len(ellipsis)]
	for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if n := len(s); n > 0 && s[n-1] >= utf8.RuneSelf {
		s = s[:n-1] // the start of a character that may have been cut
	}
	return s + ellipsis
}

// Key shows a key, as in the Field of an error: as it is if that is plain to read,
// or else quoted.
func Key(key string) string {
	short := Show(key)
	plain := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if short == "" || short != key || strings.ContainsFunc(key, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(short)
	}
	return short
}
