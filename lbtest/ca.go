package lbtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// CA is a certificate authority for tests. Its keys are generated when it is made.
// Its certificates are valid from 1990 to 2100, which includes the fake time of
// testing/synctest. Make it with [NewCA]. Its methods are safe for concurrent use;
// a failure ends the test by t.Fatalf.
type CA struct {
	t           testing.TB
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pem         string
}

// KeyPair holds a certificate and its key, both in PEM.
type KeyPair struct {
	CertPEM, KeyPEM string
}

// NewCA returns an authority with this name.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()

	ca := &CA{t: t, key: newKey(t)}
	template := newTemplate(t, name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	ca.certificate, ca.pem = sign(t, template, template, ca.key, ca.key)

	return ca
}

// PEM returns the authority's certificate in PEM.
func (ca *CA) PEM() string { return ca.pem }

// Issue returns a certificate for a server at these hosts, which are names or IP
// addresses, and for a client with the name of the first of them.
func (ca *CA) Issue(hosts ...string) KeyPair {
	ca.t.Helper()

	if len(hosts) == 0 {
		ca.t.Fatalf("lbtest: Issue: no hosts: want at least one name")
	}
	key := newKey(ca.t)
	template := newTemplate(ca.t, hosts[0])
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	_, certPEM := sign(ca.t, template, ca.certificate, key, ca.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatalf("lbtest: Issue: %v", err)
	}

	return KeyPair{CertPEM: certPEM, KeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("lbtest: a new key: %v", err)
	}

	return key
}

func newTemplate(t testing.TB, name string) *x509.Certificate {
	t.Helper()

	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		t.Fatalf("lbtest: a new serial number: %v", err)
	}

	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// sign creates a certificate from a template for the owner of key.
func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, string) {
	t.Helper()

	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatalf("lbtest: a new certificate: %v", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("lbtest: a new certificate: %v", err)
	}

	return certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
