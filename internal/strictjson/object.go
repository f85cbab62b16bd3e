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

// WantObject is the Want of Object's errors.
const WantObject = "a JSON object"

// Object decodes a JSON object. It calls the function in fields for each key with
// the key's value, in the order of the document. The helpers of this package return
// such functions. For a nested object, the function calls Object again.
//
// An unknown key, a key given twice, a null, and every error of a function are
// errors. Each is a *configerr.Error whose Field begins with the key, and several
// are joined. The first MaxErrors bad keys are reported. If Object returns an
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

// Array decodes a JSON array of at most limit elements, and calls element for each
// with its index. A null, and every error of element, is an error whose Field
// begins with the index in brackets; all are joined.
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
		// The value is not shown, since the value of a wrong key may be a secret.
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

// echoJSON returns a value as errors show it. Objects and arrays are shown by their
// brackets only, since they are long and may hold secrets.
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
