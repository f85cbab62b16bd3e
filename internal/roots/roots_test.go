package roots_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/roots"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoPartOfATextIsSkipped(t *testing.T) {
	a, b := lbtest.NewCA(t, "a").PEM(), lbtest.NewCA(t, "b").PEM()
	damaged := strings.Replace(a, "\n", "\n!", 1)
	for name, c := range map[string]struct{ text, want string }{
		"two":                      {a + b, ""},
		"with comments":            {"# the first\n" + a + "\n\nSubject: CN=b\n" + b + "\n# the end\n", ""},
		"line ends of Windows":     {strings.ReplaceAll(a+b, "\n", "\r\n"), ""},
		"nothing":                  {"", "no certificate in it"},
		"no PEM":                   {"x", "no certificate in it"},
		"damaged, alone":           {damaged, "block 1 cannot be read"},
		"damaged, before":          {damaged + b, "block 1 cannot be read"},
		"damaged, between":         {b + damaged + b, "block 2 cannot be read"},
		"damaged, after":           {b + damaged, "block 2 cannot be read"},
		"another end":              {strings.Replace(a, "-----END CERT", "-----END CART", 1) + b, "block 1 cannot be read"},
		"no end":                   {b + a[:100], "block 2 has no end"},
		"a key":                    {b + lbtest.NewCA(t, "c").Issue("x").KeyPEM, `block 2 is a "PRIVATE KEY", not a CERTIFICATE`},
		"no DER":                   {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "block 1: x509: malformed certificate"},
		"a mark of the byte order": {"\ufeff" + a + b, "block 1 cannot be read"},
	} {
		pool, err := roots.Parse([]byte(c.text))
		if c.want == "" {
			require.NoError(t, err, name)
			assert.NotNil(t, pool, name)
			continue
		}
		assert.EqualError(t, err, c.want, name)
	}
}
