package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
)

// Max bounds how many faults a List keeps.
const Max = 20

// List collects faults. Its zero value is empty.
type List struct {
	kept []error
	more int
}

// Add adds an error, or each of several that are joined. It reports whether err is
// not nil.
func (l *List) Add(err error) bool {
	switch e := err.(type) { //nolint:errorlint // only the outermost error is looked at
	case nil:
		return false
	case omitted:
		l.more += int(e)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			l.Add(one)
		}
	default:
		if len(l.kept) < Max {
			l.kept = append(l.kept, err)
		} else {
			l.more++
		}
	}
	return true
}

// AddIn is Add for an error about a part of field.
func (l *List) AddIn(field string, err error) bool { return l.Add(Prefix(field, err)) }

// Check adds a fault unless ok.
func (l *List) Check(ok bool, field, value, want string) bool {
	if !ok {
		l.Add(&configerr.Error{Field: field, Value: value, Want: want})
	}
	return ok
}

// AddOthers adds the faults of err, except those about a value that has a fault in
// the list already, or that is part of such a value. It is for checks of a
// configuration that was read with errors.
func (l *List) AddOthers(err error) {
	known := len(l.kept)
	_ = Map(err, func(err error) error {
		e, ok := err.(*configerr.Error) //nolint:errorlint // only the outermost error is looked at
		if !ok || !containsField(l.kept[:known], e.Field) {
			l.Add(err)
		}
		return err
	})
}

// Has reports whether the list has a fault of this field, or of a field that
// contains it.
func (l *List) Has(field string) bool { return containsField(l.kept, field) }

func containsField(faults []error, field string) bool {
	for _, err := range faults {
		if e, ok := err.(*configerr.Error); ok && Contains(e.Field, field) { //nolint:errorlint // as above
			return true
		}
	}
	return false
}

// Full reports whether the list is full, so that it keeps no further fault.
func (l *List) Full() bool { return len(l.kept) == Max }

// Err returns what was collected: nil, one error, or several joined.
func (l *List) Err() error {
	all := l.kept
	if l.more > 0 {
		all = append(slices.Clip(all), omitted(l.more))
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// omitted is the number of faults that a List has not kept.
type omitted int

func (n omitted) Error() string { return fmt.Sprintf("and %d more", int(n)) }

// Map returns err with replace applied to each error joined in it, or to err itself
// if it is a single error. The count of omitted faults is kept.
func Map(err error, replace func(error) error) error {
	switch e := err.(type) { //nolint:errorlint // only the outermost error is looked at
	case nil:
		return nil
	case omitted:
		return e
	case interface{ Unwrap() []error }:
		all := make([]error, 0, len(e.Unwrap()))
		for _, one := range e.Unwrap() {
			all = append(all, Map(one, replace))
		}
		return errors.Join(all...)
	default:
		return replace(err)
	}
}

// Prefix puts field before the Field of every configerr.Error in err, which may be
// one or several joined. Any other error is wrapped in a text that begins with
// field. Prefix of nil is nil; err is not changed.
func Prefix(field string, err error) error {
	return Map(err, func(err error) error {
		e, ok := err.(*configerr.Error) //nolint:errorlint // only the outermost error is looked at
		if !ok {
			return fmt.Errorf("%s: %w", field, err)
		}
		c := *e
		c.Field = Join(field, c.Field)
		return &c
	})
}

// Join returns the path of a part: Join("a", "b") is "a.b", and Join("a", "[1].b")
// is "a[1].b", since an index needs no dot.
func Join(field, part string) string {
	if field == "" || part == "" || strings.HasPrefix(part, "[") {
		return field + part
	}
	return field + "." + part
}

// Contains reports whether part is field, or is inside it.
func Contains(field, part string) bool {
	rest, ok := strings.CutPrefix(part, field)
	return ok && (field == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}
