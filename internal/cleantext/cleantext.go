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

// Detail returns s as one line of printable characters of at most MaxDetail bytes.
func Detail(s string) string { return Line(s, MaxDetail) }

// Line returns s as one line of printable characters of at most most bytes. Longer
// text is cut at a character boundary and ends in "...".
func Line(s string, most int) string {
	const ellipsis = "..."
	cut := len(s) > most
	if cut {
		end := most - len(ellipsis)
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return '?'
		default:
			return r
		}
	}, s)
	if cut {
		s += ellipsis
	}
	return s
}
