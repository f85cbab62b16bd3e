// Package docpart writes the part of a document that a suite measures.
//
// # Why
//
// A page such as docs/quorum.md explains what a suite measures, and contains its table.
// The text is written by hand and the table by the command, so that the two can be
// changed separately. The table is between two marks that name the command.
package docpart

import (
	"bytes"
	"fmt"
	"os"
)

const end = "<!-- end -->\n"

func begin(command string) []byte { return []byte("<!-- written by: " + command + " -->\n") }

// Write replaces the part of the file that the command writes.
func Write(name, command string, body []byte) error {
	text, err := os.ReadFile(name) //nolint:gosec // the user names the folder
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, begin(command))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s: no place for the table; want the lines %q and %q", name, begin(command), end)
	}
	text = bytes.Join([][]byte{before, begin(command), body, []byte(end), after}, nil)
	return os.WriteFile(name, text, 0o644) //nolint:gosec // a document
}
