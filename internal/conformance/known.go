package main

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// differences are the known failures: by suite, then by test.
type differences map[string]map[string]difference

// difference is the entry of one test in docs/conformance.md.
type difference struct {
	heading   string // the heading of the reason
	sometimes bool   // it fails in some runs only
}

// document is the file that lists the known differences, also for users.
const document = "docs/conformance.md"

// readDifferences reads the document.
func readDifferences(library string) (differences, error) {
	text, err := fs.ReadFile(os.DirFS(library), document)
	if err != nil {
		return nil, err
	}
	known, err := parseDifferences(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", document, err)
	}
	return known, nil
}

var knownLine = regexp.MustCompile("^- `([a-z_0-9]+)`: `([^` ]+)`( \\(sometimes\\))?$")

// parseDifferences reads lines such as
//
//   - `suite`: `Test/Name`
//   - `suite`: `Test/Name` (sometimes)
//
// under a heading of the second level, with the reason between the two.
func parseDifferences(text string) (differences, error) {
	suiteNames := make(map[string]bool)
	for _, s := range suites {
		suiteNames[s.name] = true
	}
	known := make(differences)
	heading, reason := "", false
	for i, line := range strings.Split(text, "\n") {
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading, reason = h, false
			continue
		}
		if !strings.HasPrefix(line, "- `") {
			reason = reason || line != ""
			continue
		}
		m := knownLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			return nil, fmt.Errorf("line %d: %q: want - `suite`: `Test/Name`", i+1, line)
		case !suiteNames[m[1]]:
			return nil, fmt.Errorf("line %d: there is no suite %q", i+1, m[1])
		case heading == "" || !reason:
			return nil, fmt.Errorf("line %d: a test without a heading and a reason above it", i+1)
		case known[m[1]][m[2]] != difference{}:
			return nil, fmt.Errorf("line %d: %s of %s is already listed under %q", i+1, m[2], m[1], known[m[1]][m[2]].heading)
		}
		if known[m[1]] == nil {
			known[m[1]] = make(map[string]difference)
		}
		known[m[1]][m[2]] = difference{heading: heading, sometimes: m[3] != ""}
	}
	return known, nil
}
