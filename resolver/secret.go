package resolver

import (
	"fmt"
	"log/slog"
	"unique"

	"github.com/cantonlb/cantonlb/configerr"
)

// MaxToken is the greatest length of a token, in bytes.
const MaxToken = 16 << 10

// redacted is what is seen of a secret.
const redacted = "[redacted]"

// Secret is a text that must not be seen, such as a token. Make one with
// NewSecret. Its zero value is empty. Two are equal (==) if their texts are.
//
// Whatever prints or encodes it (fmt with any verb, encoding/json, log/slog)
// writes "[redacted]" in its place, or nothing if it is empty. That holds where a
// Secret stands in an unexported field, too: it keeps its text behind a pointer.
type Secret struct{ text unique.Handle[string] }

var (
	_ fmt.Formatter  = Secret{}
	_ slog.LogValuer = Secret{}
)

// NewSecret makes a Secret of a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal gives the text.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// IsZero tells whether there is no text.
func (s Secret) IsZero() bool { return s == Secret{} }

// String gives "[redacted]", or "" if the secret is empty.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format writes what String gives, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText gives what String gives, also to encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives what String gives, to log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// CheckToken tells whether a text can be sent as a bearer token: 1 to MaxToken
// bytes of printable ASCII without a space. The error never shows it.
func CheckToken(token string) error {
	if err := checkToken(token); err != nil {
		return err
	}
	return nil
}

// checkToken is CheckToken with an error that has no field yet.
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
			return wrong(want, "has a character that no header can carry")
		}
	}
	return nil
}
