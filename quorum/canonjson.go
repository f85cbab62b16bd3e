package quorum

import (
	"errors"
	"fmt"
	"slices"
)

// maxJSONDepth bounds how deep objects and arrays may lie inside each other.
const maxJSONDepth = 128

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

// next reports whether c comes next, and skips it.
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
