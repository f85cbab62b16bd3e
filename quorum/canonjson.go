package quorum

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds how deep objects and arrays may lie inside each other.
const maxJSONDepth = 128

// maxExponent bounds the exponent of a number, either way.
const maxExponent = 1_000_000_000

// CanonicalJSON returns the canonical form of a JSON text: two texts have the same form
// if and only if they mean the same. It follows RFC 8785 (no white space, the shortest
// escapes, keys sorted by UTF-16 code units, numbers as ECMAScript writes them) but for
// one thing: numbers are compared exactly and not as float64, so that 9007199254740993
// and 9007199254740992 differ, while 1, 1.0 and 10e-1 are the same. Where a number is
// the shortest text of its float64, as most are, the form is that of RFC 8785.
//
// An error is returned for what is no JSON text by RFC 8259, for a key that an object
// has twice, for text that is no Unicode (invalid UTF-8, half a surrogate pair), for more
// than 128 levels, and for exponents beyond a thousand million. It shows none of the
// text. The work and the memory are bounded by the length of the text.
func CanonicalJSON(text []byte) ([]byte, error) {
	p := jsonText{in: text, out: make([]byte, 0, len(text))}
	p.space()
	if err := p.value(0); err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.in) {
		return nil, p.unexpected()
	}
	return p.out, nil
}

// jsonText is a JSON text that is read from in and written to out.
type jsonText struct {
	in, out []byte
	pos     int
	scratch []byte
}

func (p *jsonText) unexpected() error {
	if p.pos >= len(p.in) {
		return errors.New("no JSON: the text ends too early")
	}
	return fmt.Errorf("no JSON: unexpected byte at offset %d", p.pos)
}

func (p *jsonText) space() {
	for p.pos < len(p.in) && (p.in[p.pos] == ' ' || p.in[p.pos] == '\t' || p.in[p.pos] == '\n' || p.in[p.pos] == '\r') {
		p.pos++
	}
}

// next tells whether c comes next, and goes past it.
func (p *jsonText) next(c byte) bool {
	if p.pos < len(p.in) && p.in[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *jsonText) value(depth int) error {
	if depth > maxJSONDepth {
		return fmt.Errorf("JSON of more than %d levels", maxJSONDepth)
	}
	if p.pos >= len(p.in) {
		return p.unexpected()
	}
	switch c := p.in[p.pos]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.text()
		p.out = appendJSONString(p.out, s)
		return err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return p.literal("true")
	case c == 'f':
		return p.literal("false")
	case c == 'n':
		return p.literal("null")
	}
	return p.unexpected()
}

func (p *jsonText) literal(word string) error {
	for i := range len(word) {
		if !p.next(word[i]) {
			return p.unexpected()
		}
	}
	p.out = append(p.out, word...)
	return nil
}

func (p *jsonText) array(depth int) error {
	p.pos++
	p.out = append(p.out, '[')
	for first := true; ; first = false {
		p.space()
		if first && p.next(']') {
			break
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.space()
		if p.next(']') {
			break
		}
		if !p.next(',') {
			return p.unexpected()
		}
		p.out = append(p.out, ',')
	}
	p.out = append(p.out, ']')
	return nil
}

// pair is one key of an object, and where it and its value stand in the output.
type pair struct {
	key      string
	from, to int
}

func (p *jsonText) object(depth int) error {
	p.pos++
	start := len(p.out)
	var pairs []pair
	for first := true; ; first = false {
		p.space()
		if first && p.next('}') {
			break
		}
		one, err := p.pair(depth)
		if err != nil {
			return err
		}
		pairs = append(pairs, one)
		p.space()
		if p.next('}') {
			break
		}
		if !p.next(',') {
			return p.unexpected()
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return compareUTF16(a.key, b.key) })
	p.scratch = append(p.scratch[:0], '{')
	for i, one := range pairs {
		if i > 0 {
			if one.key == pairs[i-1].key {
				return errors.New("a JSON object with the same key twice")
			}
			p.scratch = append(p.scratch, ',')
		}
		p.scratch = append(p.scratch, p.out[one.from:one.to]...)
	}
	p.scratch = append(p.scratch, '}')
	p.out = append(p.out[:start], p.scratch...)
	return nil
}

func (p *jsonText) pair(depth int) (one pair, err error) {
	one.from = len(p.out)
	if p.pos >= len(p.in) || p.in[p.pos] != '"' {
		return one, p.unexpected()
	}
	if one.key, err = p.text(); err != nil {
		return one, err
	}
	p.out = append(appendJSONString(p.out, one.key), ':')
	p.space()
	if !p.next(':') {
		return one, p.unexpected()
	}
	p.space()
	err = p.value(depth + 1)
	one.to = len(p.out)
	return one, err
}

// compareUTF16 compares two strings by their UTF-16 code units.
func compareUTF16(a, b string) int {
	for a != "" && b != "" {
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x != y {
			return cmp.Or(cmp.Compare(firstUnit(x), firstUnit(y)), cmp.Compare(x, y))
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// firstUnit returns the first UTF-16 code unit of a character.
func firstUnit(r rune) rune {
	if high, _ := utf16.EncodeRune(r); high != utf8.RuneError {
		return high
	}
	return r
}

// text reads a string.
func (p *jsonText) text() (string, error) {
	p.pos++
	var b []byte
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case c == '"':
			p.pos++
			return string(b), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		case c < ' ':
			return "", p.unexpected()
		default:
			r, n := utf8.DecodeRune(p.in[p.pos:])
			if r == utf8.RuneError && n == 1 {
				return "", fmt.Errorf("no JSON: invalid UTF-8 at offset %d", p.pos)
			}
			b = append(b, p.in[p.pos:p.pos+n]...)
			p.pos += n
		}
	}
	return "", p.unexpected()
}

// escape reads what stands after a backslash.
func (p *jsonText) escape() (rune, error) {
	if p.pos++; p.pos >= len(p.in) {
		return 0, p.unexpected()
	}
	c := p.in[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
	default:
		p.pos--
		return 0, p.unexpected()
	}
	r, err := p.unit()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if p.next('\\') && p.next('u') {
		low, err := p.unit()
		if err != nil {
			return 0, err
		}
		if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
			return whole, nil
		}
	}
	return 0, fmt.Errorf("no JSON: half a surrogate pair before offset %d", p.pos)
}

// unit reads four hexadecimal digits.
func (p *jsonText) unit() (rune, error) {
	var r rune
	for range 4 {
		if p.pos >= len(p.in) {
			return 0, p.unexpected()
		}
		switch c := p.in[p.pos]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, p.unexpected()
		}
		p.pos++
	}
	return r, nil
}

func appendJSONString(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\f':
			out = append(out, '\\', 'f')
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			if c < ' ' {
				out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
				continue
			}
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// digits reads one digit at least.
func (p *jsonText) digits() ([]byte, error) {
	start := p.pos
	for p.pos < len(p.in) && '0' <= p.in[p.pos] && p.in[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		return nil, p.unexpected()
	}
	return p.in[start:p.pos], nil
}

// number reads a number, and writes the same decimal number as ECMAScript does.
func (p *jsonText) number() error {
	negative := p.next('-')
	whole, err := p.digits()
	if err != nil {
		return err
	}
	if whole[0] == '0' && len(whole) > 1 {
		p.pos -= len(whole) - 1
		return p.unexpected()
	}
	var fraction []byte
	if p.next('.') {
		if fraction, err = p.digits(); err != nil {
			return err
		}
	}
	exponent, err := p.exponent()
	if err != nil {
		return err
	}
	all := slices.Concat(whole, fraction)
	leading := 0
	for leading < len(all) && all[leading] == '0' {
		leading++
	}
	end := len(all)
	for end > leading && all[end-1] == '0' {
		end--
	}
	if leading == end {
		p.out = append(p.out, '0')
		return nil
	}
	if negative {
		p.out = append(p.out, '-')
	}
	p.out = appendDecimal(p.out, all[leading:end], len(whole)-leading+exponent)
	return nil
}

func (p *jsonText) exponent() (int, error) {
	if !p.next('e') && !p.next('E') {
		return 0, nil
	}
	sign := 1
	if p.next('-') {
		sign = -1
	} else {
		p.next('+')
	}
	digits, err := p.digits()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(trimZeros(digits)), 10, 64)
	if err != nil || n > maxExponent {
		return 0, fmt.Errorf("a number whose exponent is beyond %d", maxExponent)
	}
	return sign * int(n), nil
}

// trimZeros drops leading zeros, but for the last digit, and bounds what is left.
func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits[:min(len(digits), len(strconv.Itoa(math.MaxInt64)))]
}

// appendDecimal writes the number 0.DIGITS times ten to the power of point, as
// ECMAScript's Number::toString does. digits neither begins nor ends with a zero.
func appendDecimal(out, digits []byte, point int) []byte {
	const most = 21
	k := len(digits)
	switch {
	case k <= point && point <= most:
		return append(append(out, digits...), "000000000000000000000"[:point-k]...)
	case 0 < point && point <= most:
		return append(append(append(out, digits[:point]...), '.'), digits[point:]...)
	case -6 < point && point <= 0:
		return append(append(append(out, '0', '.'), "000000"[:-point]...), digits...)
	}
	out = append(out, digits[0])
	if k > 1 {
		out = append(append(out, '.'), digits[1:]...)
	}
	out = append(out, 'e')
	if point > 0 {
		out = append(out, '+')
	}
	return strconv.AppendInt(out, int64(point-1), 10)
}
