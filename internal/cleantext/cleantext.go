// Package cleantext makes text that a peer or a file supplies safe to show.
//
// # Why
//
// Text from a server or a file appears in errors, log lines and status. It may have
// any length, may contain line breaks or terminal sequences, and may quote a secret
// that the server was sent or the file contains. Every such text goes through this
// package.
//
// # Defaults
//
// Detail bounds a text at MaxDetail bytes. What Hide is told, and what looks like a
// secret, is replaced by "[redacted]". All functions are safe for concurrent use, and
// pure but for what Hide has added.
package cleantext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDetail bounds what Detail returns, in bytes.
const MaxDetail = 200

// Detail returns s, a text for people, as one line of printable characters of at
// most MaxDetail bytes. Line breaks and tabs become spaces, and unprintable
// characters become "?". Longer text is cut as by Cut.
func Detail(s string) string { return Line(s, MaxDetail) }

// Line is Detail with another bound.
func Line(s string, most int) string { return line(s, most, ' ') }

// Value returns s, an invalid value that an error shows, as one line of printable
// characters of at most most bytes. Every unprintable character, line breaks
// included, becomes "?", so that it can be seen. Longer text is cut as by Cut.
func Value(s string, most int) string { return line(s, most, '?') }

// line turns a text into one line. Line breaks and the like become space.
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

// Cut returns s without secrets if it has at most most bytes. Otherwise it returns the
// beginning of s up to a character boundary followed by "...", together at most most
// bytes. It does not change the characters otherwise: it is for text that is quoted
// afterwards.
func Cut(s string, most int) string { return cut(Scrub(s), most) }

func cut(s string, most int) string {
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

// Printable reports whether s is valid UTF-8 and consists of printable characters.
// The replacement character does not count as printable: in JSON it could not be
// distinguished from what it replaces.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// ConnectError returns the part of a message of grpc that says why there is no
// connection. It is the quoted part of `connection error: desc = "transport: ..."`.
func ConnectError(message string) string {
	_, quoted, found := strings.Cut(message, "connection error: desc = ")
	if text, err := strconv.Unquote(quoted); found && err == nil {
		return text
	}
	return message
}
