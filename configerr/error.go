package configerr

import "strings"

// Error reports a bad value of a configuration, and what would be right. It holds no
// secret. Its size is bounded, and its text is one line.
type Error struct {
	// Field is the path of keys that leads to the value, counted from 0, such as
	// "healthCheck.interval", "endpoints[2].address" or "target[0]". It is empty if the
	// error is about the whole document.
	Field string
	// Value is the bad value in JSON's notation, so a string is in quotation marks. A
	// long value is shortened, and a value that may hold a password is [hidden]. It is
	// empty if there is no value to show.
	Value string
	// Problem is what is wrong with the value. It is empty if Want alone explains it.
	Problem string
	// Want is what would be right, as text that follows the word "want". It may be
	// empty if Problem is not.
	Want string
}

// Error returns, for example,
//
//	healthCheck.interval "-1s": want a duration above zero, such as "1s"
//	endpoints[1].address "b": missing port; want host:port
func (e *Error) Error() string {
	text := e.Problem
	if e.Want != "" {
		if text != "" {
			text += "; "
		}
		text += "want " + e.Want
	}
	if where := strings.TrimSpace(e.Field + " " + e.Value); where != "" {
		return where + ": " + text
	}
	return text
}

// All returns every Error in err, in order: err itself, what it wraps, and each of
// several that are joined. It returns nil if there is none.
func All(err error) []*Error {
	switch e := err.(type) { //nolint:errorlint // it goes through the tree itself
	case nil:
		return nil
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, one := range e.Unwrap() {
			all = append(all, All(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return All(e.Unwrap())
	default:
		return nil
	}
}
