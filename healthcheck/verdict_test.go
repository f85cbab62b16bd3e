package healthcheck

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestCleanDetailGivesOneBoundedPrintableLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"connection refused":         "connection refused",
		"two\nlines\tand a tab":      "two lines and a tab",
		"\x1b[31mred\x00":            "?[31mred?",
		"bad \xff byte":              "bad ? byte",
		"übung":                      "übung",
		strings.Repeat("a", 200):     strings.Repeat("a", 200),
		strings.Repeat("a", 201):     strings.Repeat("a", 197) + "...",
		strings.Repeat("é", 150):     strings.Repeat("é", 98) + "?...",
		strings.Repeat("\n", 10_000): strings.Repeat(" ", 197) + "...",
	} {
		assert.Equal(t, want, CleanDetail(in))
	}
}

func TestCleanDetailOfAnyTextIsBoundedAndPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := CleanDetail(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")))
		assert.LessOrEqual(t, len(out), MaxDetail)
		assert.True(t, utf8.ValidString(out))
		for _, r := range out {
			assert.True(t, unicode.IsPrint(r), "%q", r)
		}
		assert.Equal(t, out, CleanDetail(out), "clean text stays as it is")
	})
}
