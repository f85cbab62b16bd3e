package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// MaxDepth bounds the nesting of what is skipped.
const MaxDepth = 64

// The errors of a Reader, besides those of encoding/json.
var (
	// ErrUnexpected is the error of a value of another kind than was asked for.
	ErrUnexpected = errors.New("a value of another kind than the API's documents say")
	ErrTooDeep    = errors.New("nested too deeply")
	ErrRepeated   = errors.New("a key is repeated")
	ErrTooLong    = errors.New("a text is too long")
	// ErrInside is what a function that Object calls returns to have the value read as an
	// object as well.
	ErrInside = errors.New("the value is an object that matters")
)

// Reader reads one JSON text. It accepts any bytes, and takes time and memory in
// proportion to them.
type Reader struct{ d *json.Decoder }

// New returns a Reader of a text.
func New(text []byte) Reader { return Reader{json.NewDecoder(bytes.NewReader(text))} }

// Token returns the next token, as json.Decoder.Token does.
func (r Reader) Token() (json.Token, error) { return r.d.Token() }

// More reports whether the object or array has another element.
func (r Reader) More() bool { return r.d.More() }

// Decode reads the next value.
func (r Reader) Decode(v any) error { return r.d.Decode(v) }

// End returns an error unless the text has ended.
func (r Reader) End() error {
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return ErrUnexpected
	}
	return nil
}

// Delim reads a delimiter.
func (r Reader) Delim(want json.Delim) error {
	token, err := r.d.Token()
	if err != nil {
		return err
	}
	if token != want {
		return ErrUnexpected
	}
	return nil
}

// Object reads an object. value is called for each key, with its path, which is path, a
// dot and the key, and reads the value; if it returns ErrInside, the value is read as an
// object. A key that has a dot itself is quoted in the path, so that no key looks like a path
// of several.
func (r Reader) Object(path string, value func(path string) error) error {
	if err := r.Delim('{'); err != nil {
		return err
	}
	return r.Keys(func(key string) error {
		inner := key
		if strings.Contains(key, ".") {
			inner = strconv.Quote(key)
		}
		if path != "" {
			inner = path + "." + inner
		}
		err := value(inner)
		if errors.Is(err, ErrInside) {
			err = r.Object(inner, value)
		}
		return err
	})
}

// Keys reads the rest of an object whose beginning was read. value is called for each key,
// and reads the value.
func (r Reader) Keys(value func(key string) error) error {
	seen := make(map[string]bool)
	for r.d.More() {
		token, err := r.d.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string) // a key is a string, or Token has returned an error
		if seen[key] {
			return ErrRepeated
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return r.Delim('}')
}

// Text reads a string of at most so many bytes, or null.
func (r Reader) Text(dst *string, most int) error {
	token, err := r.d.Token()
	if err != nil || token == nil {
		return err
	}
	s, ok := token.(string)
	switch {
	case !ok:
		return ErrUnexpected
	case len(s) > most:
		return ErrTooLong
	}
	*dst = s
	return nil
}

// Skip reads one value of any kind.
func (r Reader) Skip() error { return r.skip(0) }

// SkipRest reads the rest of an object or array whose beginning was read.
func (r Reader) SkipRest() error { return r.skip(1) }

func (r Reader) skip(depth int) error {
	for {
		token, err := r.d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > MaxDepth {
				return ErrTooDeep
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
