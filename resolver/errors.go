package resolver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

const (
	// maxShownErrors bounds how many errors of one list are listed.
	maxShownErrors = 10
	// maxShownValue bounds how much of a bad value an error shows, in bytes.
	maxShownValue = 100
	// hidden stands for a value that may hold a password.
	hidden = "[hidden]"
)

// ConfigError says what is wrong with one value in a list of endpoints or in a
// target, and what would be right. Find it with errors.As. An error about several
// values joins one ConfigError for each, at most ten, and says how many more
// there are.
type ConfigError struct {
	// Field is where the value stands, counted from 0: "endpoints[2].address",
	// "target[0]".
	Field string
	// Value is the bad value, shortened if long, and "[hidden]" if it may hold a
	// password (whatever has an @). Empty if there is no value to show.
	Value string
	// Problem is what is wrong with it.
	Problem string
	// Want is what would be right.
	Want string
}

// Error gives the field, the value, the problem and what would be right, in one
// line of bounded length.
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.Field)
	if e.Value != "" {
		b.WriteString(" ")
		b.WriteString(strconv.Quote(e.Value))
	}
	b.WriteString(": ")
	b.WriteString(e.Problem)
	if e.Want != "" {
		b.WriteString("; want ")
		b.WriteString(e.Want)
	}
	return b.String()
}

// shown makes a value fit for an error: no secret, and not too long.
func shown(value string) string {
	if mayHoldSecret(value) {
		return hidden
	}
	return cleantext.Cut(value, maxShownValue)
}

// mayHoldSecret tells whether text has user information in it, or a part of it:
// a password may hold any of the characters that separate the parts of a URL or
// of a list, so only the absence of an @ proves that there is none.
func mayHoldSecret(text string) bool {
	return strings.Contains(text, "@") || strings.Contains(text, "%40")
}

// failures collects errors, and keeps only as many as are shown.
type failures struct {
	kept []error
	more int
}

func (f *failures) add(err error) {
	if len(f.kept) < maxShownErrors {
		f.kept = append(f.kept, err)
		return
	}
	f.more++
}

// err joins what was collected; nil if nothing was.
func (f *failures) err() error {
	if f.more > 0 {
		return errors.Join(append(f.kept, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.kept...)
}
