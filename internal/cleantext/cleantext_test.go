package cleantext_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

func TestDetailGivesOneBoundedPrintableLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"connection refused":         "connection refused",
		"two\nlines\tand a tab":      "two lines and a tab",
		"\x1b[31mred\x00":            "?[31mred?",
		"bad \xff byte":              "bad ? byte",
		"übung":                      "übung",
		strings.Repeat("a", 200):     strings.Repeat("a", 200),
		strings.Repeat("a", 201):     strings.Repeat("a", 197) + "...",
		strings.Repeat("é", 150):     strings.Repeat("é", 98) + "...",
		strings.Repeat("\n", 10_000): strings.Repeat(" ", 197) + "...",
	} {
		assert.Equal(t, want, cleantext.Detail(in))
	}
}

func TestAValueShowsWhatCannotBePrinted(t *testing.T) {
	assert.Equal(t, "a?b c?", cleantext.Value("a\nb c\x00", 64))
	assert.Equal(t, "a?...", cleantext.Value("a\nbcdef", 5))
}

func TestACutTextKeepsItsCharacters(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 3, ""},
		{"a\nb", 3, "a\nb"},
		{"a\nbcdef", 5, "a\n..."},
		{"ééé", 5, "é..."},
		{"ééé", 4, "..."},
		{"\x80\x80\x80\x80", 3, "..."},
	} {
		assert.Equal(t, c.want, cleantext.Cut(c.in, c.most), "%q", c.in)
	}
}

func TestPrintableTextHasNothingElse(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "übung 1": true, "a\nb": false, "\x00": false, "\xff": false, "\ufffd": false, "\u202e": false,
	} {
		assert.Equal(t, want, cleantext.Printable(in), "%q", in)
	}
}

func TestDetailOfAnyTextIsBoundedAndPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := cleantext.Detail(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")))
		assert.LessOrEqual(t, len(out), cleantext.MaxDetail)
		assert.True(t, utf8.ValidString(out))
		for _, r := range out {
			assert.True(t, unicode.IsPrint(r), "%q", r)
		}
		assert.Equal(t, out, cleantext.Detail(out), "clean text stays as it is")
	})
}
