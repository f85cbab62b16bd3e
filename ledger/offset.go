package ledger

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// maxOffsetText bounds the text of an offset, in bytes. Canton 2 writes 18.
const maxOffsetText = 256

// Offset is a position in the ledger as one participant sees it. The zero value is the
// beginning of the ledger. Offsets of different participants are unrelated; the
// replicas of one participant share theirs.
//
// Ledger API v2 has numbers, v1 has texts. An Offset holds either, is comparable with ==,
// and survives [Offset.String] and [ParseOffset].
type Offset struct {
	number int64  // of v2; 0 if text is set
	text   string // of v1; never the canonical form of a number
}

// At returns the offset n of Ledger API v2. A number below 1 is the beginning of the ledger.
func At(n int64) Offset { return Offset{number: max(n, 0)} }

// ParseOffset returns the offset that [Offset.String] has written, or that Ledger API v1 calls
// absolute. The empty string is the beginning of the ledger. A text of more than 256 bytes, a
// negative number, or one with a character that is not a letter, a digit, - or _, is an error.
func ParseOffset(s string) (Offset, error) {
	if len(s) > maxOffsetText {
		return Offset{}, fmt.Errorf("offset of %d bytes: want at most %d", len(s), maxOffsetText)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		if n < 0 {
			return Offset{}, fmt.Errorf("offset %d: want a number that is not negative", n)
		}
		return Offset{number: n}, nil
	}
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
		default:
			return Offset{}, fmt.Errorf("offset %.40q: want letters, digits, - and _", s)
		}
	}
	return Offset{text: s}, nil
}

// Int64 returns the number of an offset of Ledger API v2, and 0 for the beginning of the ledger.
// It is 0 as well for an offset of v1 that is no decimal number; use [Offset.String] for those.
func (o Offset) Int64() int64 { return o.number }

// String returns the offset as Ledger API v1 writes it: in decimal for one of v2, and empty for
// the beginning of the ledger.
func (o Offset) String() string {
	if o.number > 0 {
		return strconv.FormatInt(o.number, 10)
	}
	return o.text
}

// IsZero reports whether o is the beginning of the ledger.
func (o Offset) IsZero() bool { return o == Offset{} }

// Compare returns -1 if o is before p, 1 if it is after p, and 0 otherwise. Texts are compared as
// numbers, of whatever base: the shorter one is first, but for leading zeros. That is the order of
// the offsets of Canton 2, which are hexadecimal.
func (o Offset) Compare(p Offset) int {
	if o.text == "" && p.text == "" {
		return cmp.Compare(o.number, p.number)
	}
	a, b := strings.TrimLeft(o.String(), "0"), strings.TrimLeft(p.String(), "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// shown is how an error writes the offset.
func (o Offset) shown() string {
	if o.IsZero() {
		return "0 (the beginning of the ledger)"
	}
	return o.String()
}
