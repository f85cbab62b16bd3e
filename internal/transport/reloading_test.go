package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/resolver"
)

// write writes content into a file of the test's folder, and returns its path.
func write(t *testing.T, path, content string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestNewConnectionsUseTheRootsThatAreOnDiskNow(t *testing.T) {
	north, south := newServer(t, "seq.example"), newServer(t, "seq.example")
	path := write(t, "ca.pem", north.ca.PEM())
	c := New(nil)
	e := resolver.Endpoint{Address: "https://seq.example:1", TLS: resolver.TLS{RootCAFile: path}}
	trusts := func(s server) bool { _, _, err := handshake(t, c, s, e); return err == nil }
	assert.True(t, trusts(north))
	assert.False(t, trusts(south))

	write(t, path, south.ca.PEM())
	assert.True(t, trusts(south))
	assert.False(t, trusts(north))
	require.NoError(t, c.Problem(e))

	for what, bad := range map[string]string{
		"empty":           "",
		"half written":    north.ca.PEM()[:len(north.ca.PEM())/2],
		"a half after it": south.ca.PEM() + north.ca.PEM()[:100],
		"one damaged":     strings.Replace(north.ca.PEM(), "\n", "\n!", 1) + south.ca.PEM(),
		"another thing":   north.ca.Issue("x").KeyPEM,
		"no DER":          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"too large":       south.ca.PEM() + strings.Repeat(" ", resolver.MaxPEM),
	} {
		write(t, path, bad)
		assert.True(t, trusts(south), what)
		require.ErrorContains(t, c.Problem(e), path, what)
	}
	require.NoError(t, os.Remove(path))
	assert.True(t, trusts(south), "gone")
	require.NoError(t, c.Problem(e), "which package filestate reports")
	write(t, path, north.ca.PEM())
	assert.True(t, trusts(north))
	assert.NoError(t, c.Problem(e))
}

// An operator is told of a bad file while the connections last, and not only by the next one,
// which may be made months later.
func TestAStatusLooksAtTheFilesThatNoConnectionHasReadYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := lbtest.NewCA(t, "x")
		path, token := write(t, "ca.pem", ca.PEM()), write(t, "token", "one")
		c := New(nil)
		e := resolver.Endpoint{Address: "https://a:1", TLS: resolver.TLS{RootCAFile: path}, TokenFile: token,
			Health: resolver.HealthTarget{GRPCPort: 2, TLS: resolver.TLS{RootCAFile: write(t, "health.pem", ca.PEM())}}}
		require.NoError(t, c.CheckEndpoint(e))
		for _, bad := range []string{path, token, e.Health.TLS.RootCAFile} {
			good, err := os.ReadFile(bad)
			require.NoError(t, err)
			write(t, bad, "")
			require.NoError(t, c.Problem(e), "not at each status")
			time.Sleep(lookEvery)
			require.ErrorContains(t, c.Problem(e), bad)
			write(t, bad, string(good))
			time.Sleep(lookEvery)
			require.NoError(t, c.Problem(e))
		}
		require.NoError(t, os.Remove(token))
		write(t, path, "half")
		time.Sleep(lookEvery)
		require.ErrorContains(t, c.Problem(e), path, "although another one is gone")
	})
}

func TestAClientCertificateIsUsedOnceItFitsItsKey(t *testing.T) {
	ca := lbtest.NewCA(t, "clients")
	first, second := ca.Issue("first"), ca.Issue("second")
	t1 := resolver.TLS{CertFile: write(t, "cert.pem", first.CertPEM), KeyFile: write(t, "key.pem", first.KeyPEM)}
	var f files
	name := func() string {
		config, err := f.tlsConfig(t1)
		require.NoError(t, err)
		return config.Certificates[0].Leaf.Subject.CommonName
	}
	assert.Equal(t, "first", name())
	write(t, t1.KeyFile, second.KeyPEM) // the one file is written before the other
	assert.Equal(t, "first", name())
	require.ErrorContains(t, f.problem(resolver.Endpoint{TLS: t1}), "private key does not match")
	write(t, t1.CertFile, second.CertPEM)
	assert.Equal(t, "second", name())
	assert.NoError(t, f.problem(resolver.Endpoint{TLS: t1}))
}

func TestFilesThatCannotBeUsedAtAllAreErrorsOfTheConfiguration(t *testing.T) {
	ca := lbtest.NewCA(t, "x")
	pair := ca.Issue("x")
	good, other := write(t, "cert.pem", pair.CertPEM), write(t, "key.pem", ca.Issue("y").KeyPEM)
	c := New(nil)
	for name, x := range map[string]struct {
		e    resolver.Endpoint
		want string
	}{
		"no such file": {resolver.Endpoint{TLS: resolver.TLS{RootCAFile: "/nowhere/ca.pem"}},
			`tls.rootCAFile "/nowhere/ca.pem": no such file or directory; want a file with at least one certificate in PEM`},
		"a folder": {resolver.Endpoint{TLS: resolver.TLS{RootCAFile: "/"}},
			`tls.rootCAFile "/": not a regular file; want `},
		"the key of another": {resolver.Endpoint{TLS: resolver.TLS{CertFile: good, KeyFile: other}},
			`tls.certFile "` + good + `": tls: private key does not match public key; want a file with the client's certificate in PEM`},
		"a token with a space": {resolver.Endpoint{TokenFile: write(t, "t", "Bearer hunter2")},
			`: has a space; want a file with the token alone, in printable ASCII`},
		"an empty token": {resolver.Endpoint{TokenFile: write(t, "t", "\n")}, `: empty; want a file with`},
		"a health target's": {resolver.Endpoint{Health: resolver.HealthTarget{GRPCPort: 2, TLS: resolver.TLS{RootCAFile: "/nowhere"}}},
			`health.tls.rootCAFile "/nowhere": no such file`},
	} {
		t.Run(name, func(t *testing.T) {
			x.e.Address = "https://seq1.example:1"
			err := c.CheckEndpoint(x.e)
			require.Error(t, err)
			require.ErrorContains(t, err, x.want)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
	assert.NoError(t, c.CheckEndpoint(resolver.Endpoint{Address: "https://a:1", TLS: resolver.TLS{RootCAFile: write(t, "ca.pem", ca.PEM())}}))
}

func TestATokensFileIsLookedAtAgainOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := write(t, "token", "first\n")
		var f files
		token := func() string {
			text, err := f.token(path).get()
			require.NoError(t, err)
			return text
		}
		assert.Equal(t, "first", token())
		write(t, path, "second\n")
		assert.Equal(t, "first", token(), "not for each call")
		time.Sleep(lookEvery)
		assert.Equal(t, "second", token())
		write(t, path, "not a token\n")
		time.Sleep(lookEvery)
		assert.Equal(t, "second", token())
		require.EqualError(t, f.problem(resolver.Endpoint{TokenFile: path}), path+": has a space")
	})
}

func TestFilesAreRememberedUpToABound(t *testing.T) {
	m := make(map[int]*string)
	for i := range maxFiles + 10 {
		remembered(&m, i, func() *string { return new(string) })
	}
	assert.Len(t, m, maxFiles)
}
