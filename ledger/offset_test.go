package ledger

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnOffsetSurvivesItsText(t *testing.T) {
	for _, text := range []string{
		"", "1", "42", "9223372036854775807", "9223372036854775808", "000000000000000042", "00000000000000abcd", "0", "00", "a-1_B",
	} {
		o, err := ParseOffset(text)
		require.NoError(t, err, text)
		if text != "0" {
			assert.Equal(t, text, o.String())
		}
		again, err := ParseOffset(o.String())
		require.NoError(t, err)
		assert.Equal(t, o, again, text)
	}
	o, err := ParseOffset("42")
	require.NoError(t, err)
	assert.Equal(t, At(42), o)
	assert.EqualValues(t, 42, o.Int64())
	assert.Equal(t, Offset{}, At(-1))
	assert.True(t, At(0).IsZero())
	assert.Empty(t, At(0).String())
}

func TestABadOffsetIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"-1":                     "not negative",
		"1 2":                    "letters, digits",
		"x\n":                    "letters, digits",
		strings.Repeat("a", 257): "257 bytes",
		"ä":                      "letters, digits",
	} {
		_, err := ParseOffset(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestOffsetsAreOrdered(t *testing.T) {
	text := func(s string) Offset {
		o, err := ParseOffset(s)
		require.NoError(t, err)
		return o
	}
	ordered := []Offset{
		{}, At(1), At(9), text("00a"), text("0f"), At(10), text("0000000000000011"), At(math.MaxInt64), text("9223372036854775808"),
		text("zzzzzzzzzzzzzzzzzzzz"),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			assert.Equal(t, want, a.Compare(b), "%q and %q", a, b)
		}
	}
}

func FuzzOffset(f *testing.F) {
	for _, seed := range []string{"", "0", "42", "00ff", "-3", "x y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOffset(text)
		if err != nil {
			return
		}
		again, err := ParseOffset(o.String())
		if err != nil || again != o || o.Compare(again) != 0 {
			t.Errorf("%q became %q: %v", o, again, err)
		}
	})
}
