// Package cleantext makes text that a peer or a file supplies fit to be shown.
//
// # Why
//
// What a server says, or a file holds, ends up in errors, log lines and status. It
// may be of any length and hold line breaks or terminal sequences. Every such text
// passes here.
//
// # Defaults
//
// Detail bounds a text at MaxDetail bytes. All functions are pure and safe for
// concurrent use.
package cleantext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDetail bounds what Detail returns, in bytes.
const MaxDetail = 200

// Detail returns s, which is for people to read, as one line of printable
// characters of at most MaxDetail bytes: line breaks and tabs are spaces, and what
// cannot be printed is "?". Longer text is cut as by Cut.
func Detail(s string) string { return line(s, MaxDetail, ' ') }

// Value returns s, which an error shows as what is wrong, as one line of printable
// characters of at most most bytes: all that cannot be printed is "?", so that it
// is seen. Longer text is cut as by Cut.
func Value(s string, most int) string { return line(s, most, '?') }

// line makes one line of a text. Line breaks and the like become space.
func line(s string, most int, space rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r != utf8.RuneError && unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return space
		default:
			return '?'
		}
	}, Cut(s, most))
}

// Cut returns s, or if it is longer than most bytes its beginning up to a character
// boundary and "...", which is most bytes at most. It leaves the characters as they
// are: it is for text that is quoted afterwards.
func Cut(s string, most int) string {
	const ellipsis = "..."
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// Printable reports whether s is valid UTF-8 of printable characters alone. The
// replacement character is none: in JSON it could not be told from what it
// replaces.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}
