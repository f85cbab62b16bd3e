package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/configerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAListKeepsABoundedNumberAndSaysHowManyMore(t *testing.T) {
	var l List
	require.NoError(t, l.Err())
	assert.False(t, l.Add(nil))
	one := errors.New("0")
	assert.True(t, l.Add(one))
	assert.Same(t, one, l.Err())
	var inner List
	for i := range 30 {
		inner.Add(fmt.Errorf("%d", i+1))
	}
	assert.True(t, inner.Full())
	l.Add(inner.Err())
	l.Add(errors.New("last"))
	lines := strings.Split(l.Err().Error(), "\n")
	require.Len(t, lines, Max+1)
	assert.Equal(t, "19", lines[Max-1])
	assert.Equal(t, "and 12 more", lines[Max], "ten that the inner list has not kept, one of it, and the last")
	assert.Equal(t, lines[Max], strings.Split(Prefix("a", l.Err()).Error(), "\n")[Max], "a number is about no field")
}

func TestCheckAddsAFaultUnlessAllIsWell(t *testing.T) {
	var l List
	assert.True(t, l.Check(true, "a", "1", "more"))
	assert.False(t, l.Check(false, "b", "2", "less"))
	assert.True(t, l.AddIn("c", &configerr.Error{Field: "[0]", Problem: "bad"}))
	assert.EqualError(t, l.Err(), "b 2: want less\nc[0]: bad")
}

func TestFaultsOfValuesThatHaveOneAreLeftOut(t *testing.T) {
	var l List
	l.Add(&configerr.Error{Field: "a", Problem: "bad"})
	l.Add(&configerr.Error{Field: "b.c", Problem: "bad"})
	l.AddOthers(errors.Join(
		&configerr.Error{Field: "a", Problem: "again"}, &configerr.Error{Field: "a[0]", Problem: "again"},
		&configerr.Error{Field: "b", Problem: "new"}, &configerr.Error{Field: "d", Problem: "new"},
		&configerr.Error{Field: "d", Problem: "newer"}, errors.New("other"),
	))
	assert.EqualError(t, l.Err(), "a: bad\nb.c: bad\nb: new\nd: new\nd: newer\nother")
	assert.True(t, l.Has("b.c.x"))
	assert.False(t, l.Has("bc"))
}

func TestAPathContainsItsParts(t *testing.T) {
	for _, c := range []struct {
		field, part string
		want        bool
	}{
		{"a", "a", true}, {"a", "a.b", true}, {"a", "a[1].b", true}, {"a", "ab", false}, {"a.b", "a", false}, {"", "a", true},
	} {
		assert.Equal(t, c.want, Contains(c.field, c.part), "%s %s", c.field, c.part)
	}
}

func TestQuoteShortensBeforeItQuotes(t *testing.T) {
	assert.Equal(t, `"a\n\x00"`, Quote("a\n\x00"))
	assert.Equal(t, `"`+strings.Repeat("x", 97)+`..."`, Quote(strings.Repeat("x", 200)))
}

func TestAKeyIsQuotedUnlessItIsPlain(t *testing.T) {
	for key, want := range map[string]string{"a-B_1": "a-B_1", "ключ": "ключ", "": `""`, "a.b": `"a.b"`, "a b": `"a b"`, "a\n": `"a?"`} {
		assert.Equal(t, want, Key(key))
	}
}

func TestPrefixPutsAPathBeforeEveryErrorAndLeavesTheOriginalAlone(t *testing.T) {
	require.NoError(t, Prefix("a", nil))
	one := &configerr.Error{Field: "fall", Value: "0", Want: "more"}
	whole := &configerr.Error{Value: "7", Want: "a JSON object"}
	other := errors.New("other")
	err := Prefix("healthCheck", errors.Join(one, whole, other))
	assert.EqualError(t, err, "healthCheck.fall 0: want more\nhealthCheck 7: want a JSON object\nhealthCheck: other")
	require.ErrorIs(t, err, other)
	assert.Equal(t, "fall", one.Field)
}

func TestShowIsOneBoundedPrintableLine(t *testing.T) {
	assert.Equal(t, "a?b?c?d", Show("a\nb\x00c\u202ed"))
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()),
			func(b []byte) string { return strings.Repeat(string(b), 3) })).Draw(t, "in")
		out := Show(in)
		if len(out) > MaxShown || !utf8.ValidString(out) || strings.ContainsRune(out, '\n') {
			t.Fatalf("%q gave %q", in, out)
		}
	})
	assert.Equal(t, strings.Repeat("é", 48)+"...", Show(strings.Repeat("é", 60)))
}
