package strictjson

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
)

// WantDuration is the Want of Duration's errors, for other messages about the same
// setting.
const WantDuration = `a duration above zero, such as "1s"`

// WantLonger is the Want of an error about a duration that has probably no unit.
const WantLonger = `a duration of at least "1ms"` + WithoutUnit

// CheckUnit adds a fault if a duration above zero has probably no unit.
func CheckUnit(faults *fault.List, field string, d time.Duration) {
	faults.Check(d <= 0 || d >= limits.MinDuration, field, strconv.Quote(d.String()), WantLonger)
}

// WithoutUnit follows the least duration where one has probably no unit.
const WithoutUnit = `; in Go, a number without a unit, such as 5 * time.Second has, is nanoseconds`

// decode decodes value into dst if it has the right type and ok, unless nil,
// accepts it.
func decode[T any](value json.RawMessage, dst *T, want string, ok func(T) bool) error {
	var v T
	if err := json.Unmarshal(value, &v); err != nil || (ok != nil && !ok(v)) {
		return &configerr.Error{Value: echoJSON(value), Want: want}
	}
	*dst = v
	return nil
}

// Bool decodes true or false.
func Bool(dst *bool) func(json.RawMessage) error {
	return func(value json.RawMessage) error { return decode(value, dst, "true or false", nil) }
}

// String decodes a string of at most limit bytes of valid Unicode.
func String(dst *string, limit int) func(json.RawMessage) error {
	want := fmt.Sprintf("a string of at most %d bytes of valid Unicode", limit)
	return func(value json.RawMessage) error {
		return decode(value, dst, want, func(s string) bool {
			// encoding/json replaces invalid bytes by the replacement character.
			return len(s) <= limit && !strings.ContainsRune(s, utf8.RuneError)
		})
	}
}

// Int decodes a whole number from low to high, both included.
func Int(dst *int, low, high int) func(json.RawMessage) error {
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	return func(value json.RawMessage) error {
		return decode(value, dst, want, func(n int) bool { return n >= low && n <= high })
	}
}

// Float decodes a number from low, included, up to below, not included.
func Float(dst *float64, low, below float64) func(json.RawMessage) error {
	want := fmt.Sprintf("a number from %g up to, but not including, %g", low, below)
	return func(value json.RawMessage) error {
		return decode(value, dst, want, func(f float64) bool { return f >= low && f < below })
	}
}

// Number decodes a number from low to high, both included.
func Number(dst *float64, low, high float64) func(json.RawMessage) error {
	want := fmt.Sprintf("a number from %g to %g", low, high)
	return func(value json.RawMessage) error {
		return decode(value, dst, want, func(f float64) bool { return f >= low && f <= high })
	}
}

// WantShare is the Want of Share's errors, for other messages about the same
// setting.
const WantShare = "a number above 0 and at most 1"

// Share decodes a number above 0 and at most 1.
func Share(dst *float64) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		return decode(value, dst, WantShare, func(f float64) bool { return f > 0 && f <= 1 })
	}
}

// Enum decodes one of the given strings. Another string is an error, but dst is set
// to it, so that dependent settings are not compared with the default.
func Enum[T ~string](dst *T, values ...T) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		err := decode(value, dst, OneOf(values...), nil)
		if err == nil && !slices.Contains(values, *dst) {
			err = &configerr.Error{Value: echoJSON(value), Want: OneOf(values...)}
		}
		return err
	}
}

// OneOf returns the Want of Enum's errors, for other messages about the same
// setting.
func OneOf[T ~string](values ...T) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(string(v))
	}
	return strings.Join(quoted, " or ")
}

// Duration decodes a string that time.ParseDuration accepts, such as "0.5s". The
// duration must be above zero and at most limit.
func Duration(dst *time.Duration, limit time.Duration) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		var text string
		if err := decode(value, &text, WantDuration, nil); err != nil {
			return err
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil || d <= 0:
			return &configerr.Error{Value: echoJSON(value), Want: WantDuration}
		case d > limit:
			return &configerr.Error{Value: echoJSON(value), Want: "a duration of at most " + limit.String()}
		}
		*dst = d
		return nil
	}
}

// FormatDuration returns a duration in seconds, exactly, such as "0.5s", in the
// form that Duration accepts. d must not be negative.
func FormatDuration(d time.Duration) string {
	s := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "s"
}
