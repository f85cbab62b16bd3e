package configfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// Error says what is wrong with a configuration file, and where. Find it with
// errors.As; an error about several values joins one Error for each.
type Error struct {
	// File is its path, empty for text that came from elsewhere.
	File string
	// Line and Column count from 1; both are 0 where the error is about the file as
	// a whole.
	Line, Column int
	// Err is what is wrong. For a single value it is a *healthcheck.ConfigError or
	// a *resolver.ConfigError, which name the key, the value and what would be right.
	Err error
}

// Error gives, for example,
//
//	lb.yaml:7:13: endpoints[1].weight 200: want a whole number from 1 to 100
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

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// locate adds to an error, which may be several joined, where in the document the
// values stand that it is about.
func (d *document) locate(err error) error {
	if err == nil {
		return nil
	}
	// As in strictjson.Prefix, only the outermost error is looked at.
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, d.locate(one))
		}
		return errors.Join(all...)
	}
	path, value := "", ""
	var e *strictjson.Error
	var inList *resolver.ConfigError
	if errors.As(err, &e) {
		path, value = e.Field, e.Value
		c := *e
		c.Want = strings.Replace(c.Want, strictjson.WantObject, "a mapping of keys to values", 1)
		err = &c
	} else if errors.As(err, &inList) {
		path, value = inList.Field, inList.Value
	}
	key, at := d.find(path)
	if value == "" { // it is the key that is wrong, or missing
		at = key
	}
	return &Error{File: d.file, Line: at.line, Column: at.column, Err: err}
}
