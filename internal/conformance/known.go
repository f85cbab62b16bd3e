package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// differences are the known failures: by suite, then by test.
type differences map[string]map[string]difference

// difference is what docs/conformance.md says of one test.
type difference struct {
	heading   string // under which the reason stands
	sometimes bool   // it fails in some runs only
}

// document is where the known differences stand, for users too.
const document = "docs/conformance.md"

// readDifferences reads the document.
func readDifferences(library string) (differences, error) {
	text, err := os.ReadFile(filepath.Join(library, filepath.FromSlash(document)))
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
// under a heading of the second rank, with the reason between the two.
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
			return nil, fmt.Errorf("line %d: %s of %s stands under %q already", i+1, m[2], m[1], known[m[1]][m[2]].heading)
		}
		if known[m[1]] == nil {
			known[m[1]] = make(map[string]difference)
		}
		known[m[1]][m[2]] = difference{heading: heading, sometimes: m[3] != ""}
	}
	return known, nil
}
