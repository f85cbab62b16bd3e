package jsonapi

import "github.com/cantonlb/cantonlb/internal/cleantext"

// maxText bounds what an error holds of a text of a server, in bytes.
const maxText = 1 << 10

// CleanText returns a text of a server as one line of printable characters of at most
// 1 KiB, without the tokens and other secrets that the clients of this process have sent. It
// is for errors and logs: what a server answers may quote the request, and control a
// terminal.
func CleanText(text string) string { return cleantext.Line(text, maxText) }

// cleaned returns an error with a clean text. Nothing else of it changes.
func cleaned(err error) error {
	text := err.Error()
	if clean := CleanText(text); clean != text {
		return &cleanError{text: clean, err: err}
	}
	return err
}

// cleanError is an error of net/http that has quoted a server.
type cleanError struct {
	text string
	err  error
}

// Error returns the text without what must not be shown.
func (e *cleanError) Error() string { return e.text }

// Unwrap returns the error itself, for errors.Is and errors.As.
func (e *cleanError) Unwrap() error { return e.err }
