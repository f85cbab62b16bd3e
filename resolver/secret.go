package resolver

import (
	"fmt"
	"log/slog"
	"unique"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// MaxToken is the greatest length of a token, in bytes.
const MaxToken = 16 << 10

// Secret is a text that must not be shown, such as a token. NewSecret makes one. Its
// zero value is empty. Two secrets are equal (==) if their texts are.
//
// Everything that prints or encodes a Secret (fmt with any verb, encoding/json,
// log/slog) writes "[redacted]" instead of the text, or nothing if it is empty. This
// also applies to a Secret in an unexported field, since it keeps its text behind a
// pointer.
type Secret struct{ text unique.Handle[string] }

var (
	_ fmt.Formatter  = Secret{}
	_ slog.LogValuer = Secret{}
)

// NewSecret returns a Secret with this text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	cleantext.Hide(text) // a peer may quote it
	return Secret{unique.Make(text)}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s == Secret{} }

// String returns "[redacted]", or "" if the secret is empty.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return cleantext.Redacted
}

// Format writes what String returns, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns what String returns. encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// CheckToken returns an error if a text cannot be sent as a bearer token, which has 1 to
// MaxToken bytes of printable ASCII without a space. The error never shows the text.
func CheckToken(token string) error {
	if err := checkToken(token); err != nil {
		return err
	}
	return nil
}

// checkToken is like CheckToken. Its error has no field yet.
func checkToken(token string) *configerr.Error {
	const want = "the token alone, in printable ASCII"
	switch {
	case token == "":
		return wrong(want, "empty")
	case len(token) > MaxToken:
		return wrong(fmt.Sprintf("at most %d", MaxToken), "is %d bytes long", len(token))
	}
	for i := range len(token) {
		switch c := token[i]; {
		case c == ' ':
			return wrong(want+", without \"Bearer\" before it", "has a space")
		case c < ' ' || c > '~':
			return wrong(want, "has a character that is not allowed in a header")
		}
	}
	return nil
}
