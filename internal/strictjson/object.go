package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// MaxErrors bounds how many bad keys of one object, or elements of one array, are
// reported.
const MaxErrors = 8

// WantObject is what Object wants.
const WantObject = "a JSON object"

// Object decodes a JSON object, giving the value of each key to the function
// that fields holds for it, in the order of the document. The helpers of this
// package make such functions; for an object inside an object, the function
// calls Object again.
//
// An unknown key, a key given twice, a null, and every error of a function are
// errors: each is an *Error whose Field begins with the key, and several are
// joined. The first MaxErrors bad keys are reported. Where Object gives an
// error, some of the functions may have been called.
func Object(data []byte, fields map[string]func(json.RawMessage) error) error {
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return &Error{Want: "valid JSON (" + Echo(err.Error()) + ")"}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, _ := dec.Token(); start != json.Delim('{') {
		return &Error{Value: echoJSON(data), Want: WantObject}
	}
	var errs []error
	seen := make(map[string]bool, len(fields))
	for dec.More() && len(errs) < MaxErrors {
		token, _ := dec.Token() // cannot fail: data is valid JSON, as seen above
		key, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value) // the same
		if err := field(key, value, fields, seen); err != nil {
			errs = append(errs, Prefix(Key(key), err))
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// Array decodes a JSON array of at most limit elements, giving each with its index
// to element. A null, and every error of element, is an error whose Field begins
// with the index in brackets; several are joined. The first MaxErrors bad elements
// are reported.
func Array(limit int, element func(i int, value json.RawMessage) error) func(json.RawMessage) error {
	want := fmt.Sprintf("an array of at most %d elements", limit)
	return func(value json.RawMessage) error {
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil || len(elements) > limit {
			return &Error{Value: echoJSON(value), Want: want}
		}
		var errs []error
		for i := 0; i < len(elements) && len(errs) < MaxErrors; i++ {
			err := error(&Error{Value: "null", Want: "a value"})
			if string(elements[i]) != "null" {
				err = element(i, elements[i])
			}
			if err != nil {
				errs = append(errs, Prefix(fmt.Sprintf("[%d]", i), err))
			}
		}
		if len(errs) == 1 {
			return errs[0]
		}
		return errors.Join(errs...)
	}
}

func field(key string, value json.RawMessage, fields map[string]func(json.RawMessage) error, seen map[string]bool) error {
	decode, known := fields[key]
	switch {
	case !known:
		// The value is not shown: what stands under a wrong key may be a secret.
		return &Error{Want: "a known key: " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")}
	case seen[key]:
		return &Error{Value: echoJSON(value), Want: "each key only once"}
	}
	seen[key] = true
	if string(value) == "null" {
		return &Error{Value: "null", Want: "a value; leave the key out for its default"}
	}
	return decode(value)
}

// Key shows a key, as in the Field of an Error: as it is if that is plain to read,
// or else quoted.
func Key(key string) string {
	short := Echo(key)
	plain := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	if short == "" || short != key || strings.ContainsFunc(key, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(short)
	}
	return short
}

// echoJSON shows a value: objects and arrays by their brackets only, since they
// are long and may hold secrets.
func echoJSON(value []byte) string {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) > 0 && value[0] == '{':
		return "{...}"
	case len(value) > 0 && value[0] == '[':
		return "[...]"
	}
	return Echo(string(value))
}
