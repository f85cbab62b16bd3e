package resolver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASecretIsNeverSeen(t *testing.T) {
	const text = "hunter2"
	s := NewSecret(text)
	assert.Equal(t, text, s.Reveal())
	e := Endpoint{Name: "seq1", Address: "https://seq1:1", Token: s}
	type hidden struct {
		e Endpoint // fmt calls no method of an unexported field
		s Secret
		p *Secret
	}
	for _, value := range []any{s, &s, e, &e, []Endpoint{e}, map[string]Secret{"x": s}, hidden{e, s, &s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
			printed := fmt.Sprintf(verb, value)
			assert.NotContains(t, printed, text, verb)
			assert.NotContains(t, strings.ToLower(printed), fmt.Sprintf("%x", text), verb)
		}
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		assert.NotContains(t, string(encoded), text)
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).Info("x", "value", value)
			assert.NotContains(t, b.String(), text)
		}
	}
	assert.Equal(t, "[redacted] [redacted]", fmt.Sprint(s, " ", s.String()))
	encoded, err := json.Marshal(map[string]Secret{"Token": s})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Token":"[redacted]"}`, string(encoded))
}

func TestSecretsAreEqualIfTheirTextsAre(t *testing.T) {
	a, again := NewSecret("a"), NewSecret("a")
	assert.True(t, a == again, "not only deeply") //nolint:testifylint // == is what is tested
	assert.NotEqual(t, a, NewSecret("b"))
	assert.Equal(t, Secret{}, NewSecret(""))
	assert.True(t, NewSecret("").IsZero())
	assert.Empty(t, Secret{}.Reveal())
	assert.Empty(t, fmt.Sprintf("%v%+v%#v%s", Secret{}, Secret{}, Secret{}, Secret{}.String()))
}

func TestATokenIsOneWordOfPrintableASCII(t *testing.T) {
	require.NoError(t, CheckToken("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"))
	require.NoError(t, CheckToken(strings.Repeat("x", MaxToken)))
	for token, want := range map[string]string{
		"":                               "empty",
		"Bearer hunter2":                 `has a space; want the token alone, in printable ASCII, without "Bearer" before it`,
		"hunter2\n":                      "has a character that is not allowed in a header",
		"hünter2":                        "has a character that is not allowed in a header",
		strings.Repeat("hunter2", 1<<12): "is 28672 bytes long; want at most 16384",
	} {
		err := CheckToken(token)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "unter2")
	}
}
