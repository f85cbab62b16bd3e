package configfile

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// Error is one fault of a config file, with its position. Find it with errors.As; an
// error about several values joins one Error for each. Its text is, for example,
//
//	lb.yaml:7:13: endpoints[1].weight 200: want a whole number from 1 to 100
type Error struct {
	// File is the path of the file, or empty for text that does not come from a file.
	File string
	// Line and Column count from 1. Both are 0 if the error is about the file as a
	// whole.
	Line, Column int
	// Err is the fault. If it is about one value, it is a *configerr.Error, which names
	// the key, the value and what would be right.
	Err error
}

// Error returns the position, as far as it is known, and the text of Err.
func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", place, e.Line, e.Column)
		if e.File == "" {
			place = fmt.Sprintf("line %d, column %d", e.Line, e.Column)
		}
	}
	if place == "" {
		return e.Err.Error()
	}
	return place + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// locate adds the positions in the document to an error, which may be several joined,
// and sorts them in the order of the document.
func (d *document) locate(err error) error {
	err = fault.Map(err, d.locateOne)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	all := slices.Clone(joined.Unwrap())
	slices.SortStableFunc(all, func(a, b error) int { return cmp.Or(cmp.Compare(line(a), line(b)), cmp.Compare(column(a), column(b))) })
	return errors.Join(all...)
}

func (d *document) locateOne(err error) error {
	path, value := "", ""
	switch all := configerr.All(err); len(all) {
	case 0:
	case 1:
		path, value = all[0].Field, all[0].Value
	default: // several in one that wraps them: each has its own position
		var faults fault.List
		for _, one := range all {
			faults.Add(d.locateOne(one))
		}
		return faults.Err()
	}
	if e, ok := err.(*configerr.Error); ok { //nolint:errorlint // only the outermost error is rewritten
		c := *e
		c.Want = strings.Replace(c.Want, strictjson.WantObject, "a mapping of keys to values", 1)
		err = &c
	}
	key, at := d.find(path)
	if value == "" { // the key itself is wrong, or missing
		at = key
	}
	return &Error{File: d.file, Line: at.line, Column: at.column, Err: err}
}

// line returns the line of an error. The error that counts the omitted ones is last.
func line(err error) int {
	if e, ok := err.(*Error); ok { //nolint:errorlint // only the outermost error is inspected
		return e.Line
	}
	return math.MaxInt
}

func column(err error) int {
	if e, ok := err.(*Error); ok { //nolint:errorlint // only the outermost error is inspected
		return e.Column
	}
	return 0
}
