package main

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lbtest"
)

// The library refuses such files, so a check that takes them passes where the program
// does not start.
func TestFilesThatAProgramWouldRefuseAreRefused(t *testing.T) {
	ca := lbtest.NewCA(t, "ours")
	pair := ca.Issue("a client")
	good, key := file(t, "good.pem", ca.PEM()), file(t, "key.pem", pair.KeyPEM)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a damaged block": {[]string{"--ca", file(t, "ca.pem", strings.Replace(ca.PEM(), "\n", "\n!", 1)+ca.PEM())}, "ca.pem\": block 1 cannot be read; want"},
		"a broken block":  {[]string{"--ca", file(t, "ca.pem", ca.PEM()+"-----BEGIN CERTIFICATE-----\nMIIB")}, "ca.pem\": block 2 has no end; want"},
		"a key among it":  {[]string{"--ca", file(t, "ca.pem", ca.PEM()+pair.KeyPEM)}, "block 2 is a \"PRIVATE KEY\""},
		"a directory":     {[]string{"--ca", t.TempDir()}, "not a regular file"},
		"none":            {[]string{"--ca", filepath.Join(t.TempDir(), "none")}, "no such file"},
		"no certificate":  {[]string{"--ca", key + "x"}, "no such file"},
		"a CA as its own": {[]string{"--cert", good, "--key", key}, "--cert \"" + good + "\", --key \"" + key},
		"a device":        {[]string{"--cert", os.DevNull, "--key", key}, "not a regular file"},
	} {
		r := command(t, append([]string{"check", "127.0.0.1:1"}, test.args...)...)
		assert.Equal(t, codeUsage, r.code, "%s: %s", name, r.out)
		assert.Contains(t, r.errs, test.want, name)
	}
}

func TestEachConnectionHasTheCertificateThatTheFileHolds(t *testing.T) {
	ca := lbtest.NewCA(t, "ours")
	first, second := ca.Issue("first"), ca.Issue("second")
	cert, key := file(t, "cert.pem", first.CertPEM), file(t, "key.pem", first.KeyPEM)
	creds, err := (&target{ca: file(t, "ca.pem", ca.PEM()), cert: cert, key: key}).credentials()
	require.NoError(t, err)
	clone := creds.Clone()
	assert.Equal(t, "first", presented(t, ca, clone.ClientHandshake))
	require.NoError(t, os.WriteFile(cert, []byte(second.CertPEM), 0o600))
	assert.Equal(t, "first", presented(t, ca, clone.ClientHandshake), "its key is not there yet")
	require.NoError(t, os.WriteFile(key, []byte(second.KeyPEM), 0o600))
	assert.Equal(t, "second", presented(t, ca, clone.ClientHandshake))
}

// presented returns the name in the client's certificate of one handshake.
func presented[I any](t *testing.T, ca *lbtest.CA, handshake func(context.Context, string, net.Conn) (net.Conn, I, error)) string {
	t.Helper()
	pair := ca.Issue("server.example")
	certificate, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
	require.NoError(t, err)
	ours, theirs := net.Pipe()
	server := tls.Server(theirs, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"},
	})
	done := make(chan error, 1)
	go func() { done <- server.HandshakeContext(t.Context()) }()
	conn, _, err := handshake(t.Context(), "server.example:1", ours)
	require.NoError(t, err)
	require.NoError(t, <-done)
	name := server.ConnectionState().PeerCertificates[0].Subject.CommonName
	_ = theirs.Close()
	_ = conn.Close()
	return name
}
