package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
)

// WantObject is what Object wants.
const WantObject = "a JSON object"

// Object decodes a JSON object, giving the value of each key to the function
// that fields holds for it, in the order of the document. The helpers of this
// package make such functions; for an object inside an object, the function
// calls Object again.
//
// An unknown key, a key given twice, a null, and every error of a function are
// errors: each is an *configerr.Error whose Field begins with the key, and several are
// joined. The first MaxErrors bad keys are reported. Where Object gives an
// error, some of the functions may have been called.
func Object(data []byte, fields map[string]func(json.RawMessage) error) error {
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return &configerr.Error{Want: "valid JSON (" + fault.Show(err.Error()) + ")"}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, _ := dec.Token(); start != json.Delim('{') {
		return &configerr.Error{Value: echoJSON(data), Want: WantObject}
	}
	var faults fault.List
	seen := make(map[string]bool, len(fields))
	for dec.More() {
		token, _ := dec.Token() // cannot fail: data is valid JSON, as seen above
		key, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value) // the same
		faults.AddIn(fault.Key(key), field(key, value, fields, seen))
	}
	return faults.Err()
}

// Array decodes a JSON array of at most limit elements, giving each with its index
// to element. A null, and every error of element, is an error whose Field begins
// with the index in brackets; all are joined.
func Array(limit int, element func(i int, value json.RawMessage) error) func(json.RawMessage) error {
	want := fmt.Sprintf("an array of at most %d elements", limit)
	return func(value json.RawMessage) error {
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil || len(elements) > limit {
			return &configerr.Error{Value: echoJSON(value), Want: want}
		}
		var faults fault.List
		for i := range elements {
			err := error(&configerr.Error{Value: "null", Want: "a value"})
			if string(elements[i]) != "null" {
				err = element(i, elements[i])
			}
			faults.AddIn(fmt.Sprintf("[%d]", i), err)
		}
		return faults.Err()
	}
}

func field(key string, value json.RawMessage, fields map[string]func(json.RawMessage) error, seen map[string]bool) error {
	decode, known := fields[key]
	switch {
	case !known:
		// The value is not shown: what stands under a wrong key may be a secret.
		return &configerr.Error{Want: "a known key: " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")}
	case seen[key]:
		return &configerr.Error{Value: echoJSON(value), Want: "each key only once"}
	}
	seen[key] = true
	if string(value) == "null" {
		return &configerr.Error{Value: "null", Want: "a value; leave the key out for its default"}
	}
	return decode(value)
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
	return fault.Show(string(value))
}
