package cleantext

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAKnownSecretIsHiddenInEachOfItsForms(t *testing.T) {
	const secret = `p@ss/w"rd+<4711&>`
	lower := strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3C", "%3c", "%3E", "%3e")
	inJSON, err := json.Marshal(secret)
	require.NoError(t, err)
	Hide(secret)
	HideLogin("joe", `s3cr3t pass`)
	basic := base64.StdEncoding.EncodeToString([]byte("joe:s3cr3t pass"))
	for name, text := range map[string]string{
		"plain":              "bad credentials [Bearer " + secret + "]",
		"in a word":          "x" + secret + "y",
		"query":              "bad " + url.QueryEscape(secret),
		"path":               "bad " + url.PathEscape(secret),
		"userinfo":           "bad " + url.UserPassword("a", secret).String(),
		"base64":             "bad " + base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 for URLs":    "bad " + base64.URLEncoding.EncodeToString([]byte(secret)),
		"base64, no pad":     "bad " + base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"quoted":             fmt.Sprintf("bad %q", secret),
		"query, lower case":  "bad " + lower.Replace(url.QueryEscape(secret)),
		"path, lower case":   "bad " + lower.Replace(url.PathEscape(secret)),
		"JSON":               "bad " + string(inJSON),
		"JSON of others":     "bad " + strings.ReplaceAll(strconv.Quote(secret), "/", `\/`),
		"HTML":               "bad " + html.EscapeString(secret),
		"base64 in a query":  "bad " + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("???>>>"+secret))),
		"Basic":              "bad Basic " + basic,
		"Basic alone":        "bad " + basic,
		"base64, of a login": "bad " + base64.StdEncoding.EncodeToString([]byte("jo:"+secret+"!")),
		"base64, of more":    "bad " + base64.StdEncoding.EncodeToString([]byte("j:"+secret)),
		"base64, and more":   "bad " + base64.URLEncoding.EncodeToString([]byte(secret+"and more")),
		"a password alone":   "no s3cr3t pass here",
		"twice":              secret + secret,
	} {
		for _, out := range []string{Detail(text), Value(text, 500), Cut(text, 500), Scrub(text)} {
			assert.Contains(t, out, Redacted, name)
			for _, bad := range []string{secret, "4711", "rd+", "s3cr3t", "pass", basic[:8], basic[len(basic)-6:]} {
				assert.NotContains(t, out, bad, "%s: %s", name, out)
			}
		}
	}
	assert.True(t, IsHidden(secret))
	assert.False(t, IsHidden("other"))
}

func TestASecretIsHiddenBeforeTheTextIsCut(t *testing.T) {
	secret := "0123456789" + strings.Repeat("Zz", 300)
	Hide(secret)
	assert.NotContains(t, Detail(strings.Repeat("-", MaxDetail-20)+secret), "01234")
	assert.NotContains(t, Detail("cut by the peer: "+secret[:40]+"..."), "01234")
	assert.Contains(t, Detail("a short part is no secret: "+secret[:8]), "01234567")
	assert.LessOrEqual(t, len(Scrub(strings.Repeat("x", 1<<20))), maxScrubbed)
}

func TestWhatLooksLikeASecretIsHidden(t *testing.T) {
	for in, want := range map[string]string{
		"[Bearer abcdefgh12345]":                "[Bearer [redacted]]",
		"authorization: bearer%20abcdefgh12345": "authorization: bearer%20[redacted]",
		"Basic am9lOmh1c2g=":                    "Basic [redacted]",
		"a JWT eyJhbGciOiJ.eyJzdWIi.sig-x_1":    "a JWT [redacted]",
		"https://joe:hush@host:1/x":             "https://[redacted]@host:1/x",
		"https://joe:hu@sh@host":                "https://[redacted]@host",
		"joe:hush@host:5001":                    "joe:[redacted]@host:5001",
		"GET /x?access_token=abc&y=1":           "GET /x?access_token=[redacted]&y=1",
		"dsn password=hush host=db":             "dsn password=[redacted] host=db",
		"bearer of bad news":                    "bearer of bad news",
		"a@b.example, seq1:5001":                "a@b.example, seq1:5001",
		"basic auth":                            "basic auth",
		"x=1":                                   "x=1",
	} {
		assert.Equal(t, want, Scrub(in))
	}
}

func TestSecretsThatAreTooShortOrEmptyHideNothing(t *testing.T) {
	Hide("")
	Hide("abc")
	HideLogin("joe", "")
	assert.Equal(t, "abc joe:", Scrub("abc joe:"))
}

func TestTheNumberOfSecretsIsBounded(t *testing.T) {
	s := secrets{most: maxSecrets}
	for i := range maxSecrets + 10 {
		secret := fmt.Sprintf("secret-%d-", i)
		s.add(secret, formsOf(secret))
	}
	assert.Len(t, s.forms, maxSecrets)
	assert.Len(t, s.order, maxSecrets)
	assert.Equal(t, "secret-9-x", s.scrub("secret-9-x"))
	assert.Equal(t, Redacted+"x", s.scrub("secret-8000-x"))
	for _, forms := range s.index {
		assert.LessOrEqual(t, len(forms), maxSecrets*7)
	}
}

func TestPassingSecretsDoNotDisplaceOthers(t *testing.T) {
	Hide("the-one-of-the-config")
	for i := range 3 * maxSecrets {
		HidePassing(fmt.Sprintf("passing-%d-", i))
	}
	assert.Len(t, passing.forms, maxPassing)
	assert.Equal(t, Redacted+" "+Redacted, Scrub(fmt.Sprintf("the-one-of-the-config passing-%d-", 3*maxSecrets-1)))
}
