package cantonid

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// encoded is a message with one string in its field 1.
func encoded(t testing.TB, text string) answer {
	t.Helper()
	b, err := proto.Marshal(wrapperspb.String(text))
	require.NoError(t, err)
	return b
}

func TestAnIDIsTheLastStringInItsField(t *testing.T) {
	id, err := append(encoded(t, "first"), encoded(t, "last")...).id(1, "participant id")
	require.NoError(t, err)
	assert.Equal(t, "last", id)
	other := append(answer{0x10, 0x05, 0x1d, 1, 2, 3, 4}, encoded(t, "id")...) // fields 2 and 3 before it
	id, err = append(other, 0x08, 0x01).id(1, "id")                            // and a number in field 1 behind
	require.NoError(t, err)
	assert.Equal(t, "id", id)
}

func TestAnAnswerWithoutAGoodIDIsNone(t *testing.T) {
	for want, a := range map[string]answer{
		"the answer has no participant id":                                 nil,
		"the answer has a participant id of 1025 bytes; want at most 1024": encoded(t, strings.Repeat("x", maxID+1)),
		"the answer has a participant id with a character that cannot be":  encoded(t, "a\nb"),
		"the answer cannot be decoded: a string is not UTF-8":              {0x0a, 1, 0xff},
		"the answer cannot be decoded: unexpected EOF":                     {0x0a, 5, 'x'},
	} {
		_, err := a.id(1, "participant id")
		require.ErrorContains(t, err, want)
	}
}
