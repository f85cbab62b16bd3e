package main

import (
	"go/format"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheDocumentNamesEachDifferenceUnderItsReason(t *testing.T) {
	got, err := parseDifferences("# Title\n\n## Probes are calls\n\nThey are counted.\n\n" +
		"- `default`: `Test/A`\n- `priority`: `TestB` (sometimes)\n")
	require.NoError(t, err)
	assert.Equal(t, differences{
		"default":  {"Test/A": {heading: "Probes are calls"}},
		"priority": {"TestB": {heading: "Probes are calls", sometimes: true}},
	}, got)
}

func TestADocumentThatCannotBeReadIsAnErrorThatNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"## H\n\nWhy.\n\n- `default`: Test/A":                      `line 5: "- ` + "`default`" + `: Test/A": want`,
		"## H\n\nWhy.\n\n- `nosuch`: `Test/A`":                     `line 5: there is no suite "nosuch"`,
		"## H\n\n- `default`: `Test/A`":                            "line 3: a test without a heading and a reason above it",
		"Why.\n- `default`: `Test/A`":                              "line 2: a test without a heading",
		"## H\nWhy.\n- `default`: `Test/A`\n- `default`: `Test/A`": `line 4: Test/A of default is already listed under "H"`,
		"## H\nWhy.\n## I\n- `default`: `Test/A`":                  "line 4: a test without a heading and a reason above it",
		"## H\nWhy.\n- `default`: `Test/A` (always)":               "line 3:",
	} {
		_, err := parseDifferences(text)
		assert.ErrorContains(t, err, want)
	}
}

func TestTheCommittedDocumentCanBeRead(t *testing.T) {
	known, err := readDifferences(filepath.Join("..", ".."))
	require.NoError(t, err)
	assert.NotEmpty(t, known)
}

func TestWhatIsAddedToGRPCIsFormatted(t *testing.T) {
	for name, source := range map[string][]byte{"substitute": substituteSource, "default": defaultSource} {
		formatted, err := format.Source(source)
		require.NoError(t, err, name)
		assert.Equal(t, string(formatted), string(source), name)
	}
}
