package jsonread

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read reads the texts a and b.c of an object.
func read(text string) (a, c string, err error) {
	r := New([]byte(text))
	err = r.Object("", func(path string) error {
		switch path {
		case "a":
			return r.Text(&a, 5)
		case "b":
			return ErrInside
		case "b.c":
			return r.Text(&c, 5)
		}
		return r.Skip()
	})
	if err == nil {
		err = r.End()
	}
	return a, c, err
}

func TestWhatMattersIsRead(t *testing.T) {
	a, c, err := read(`{"x":[{"a":"no"},1,null],"b":{"a":"no","c":"1"},"a":"2","y":"z"}`)
	require.NoError(t, err)
	assert.Equal(t, "21", a+c)
	a, c, err = read(`{"b.c":"no","b":{"x.y":"no"},"a":"2"}`)
	require.NoError(t, err)
	assert.Equal(t, "2", a+c, "a key with a dot is no path")
	a, c, err = read(`{"a":null}`)
	require.NoError(t, err)
	assert.Empty(t, a+c)
	for text, want := range map[string]error{
		`[]`: ErrUnexpected, `{"a":1}`: ErrUnexpected, `{"b":[]}`: ErrUnexpected, `{"b":null}`: ErrUnexpected, `{} {}`: ErrUnexpected,
		`{"a":"123456"}`: ErrTooLong, `{"a":"1","a":"1"}`: ErrRepeated, `{"b":{"c":"1","c":"2"}}`: ErrRepeated,
		`{"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`: ErrTooDeep,
	} {
		_, _, err := read(text)
		require.ErrorIs(t, err, want, text)
	}
	for _, text := range []string{"", "{", `{"a"`, `{"a":`, `{"a":"1"`, `{"x":[`, `{"x":}`, `{"a":"1",}`, "\x00"} {
		_, _, err := read(text)
		require.Error(t, err, text)
	}
	_, _, err = read(`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`)
	require.NoError(t, err)

	r := New([]byte(`[1,[2],{"a":3}] 4`))
	require.NoError(t, r.Delim('['))
	assert.True(t, r.More())
	require.NoError(t, r.SkipRest())
	var n int
	require.NoError(t, r.Decode(&n))
	assert.Equal(t, 4, n)
	_, err = r.Token()
	require.Error(t, err)
	require.Error(t, r.Delim('['))
	var s string
	require.Error(t, r.Text(&s, 1))
}
