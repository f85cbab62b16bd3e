package resolver

import (
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
)

const (
	// MaxPath is the greatest length of a file's path, in bytes.
	MaxPath = 4096
	// MaxPEM is the greatest size of a PEM text or file, in bytes.
	MaxPEM = 1 << 20
)

// TLS says how the TLS of one endpoint differs from the default: server
// certificates verified against the system's roots, and no client certificate.
// The least version is always TLS 1.2, and verification cannot be turned off. The
// name that the server's certificate must have is Endpoint.ServerName.
//
// Files are looked at again for each new connection, and what has changed is used
// from then on; connections that exist keep what they were made with. New content
// that cannot be used is reported, and the old stays in force. Files hold at most
// MaxPEM bytes of PEM.
//
// grpc-go insists that the server takes part in ALPN. An older load balancer that
// does not can be reached only with the environment variable
// GRPC_ENFORCE_ALPN_ENABLED=false, which grpc-go reads, for the whole program.
type TLS struct {
	// RootCAFile is the path of the certificates of the authorities that the
	// server's certificate is verified against, in place of the system's.
	RootCAFile string
	// RootCAPEM is the same as a text. At most one of both.
	RootCAPEM string
	// CertFile and KeyFile are the paths of the client's certificate, with
	// intermediate ones after it, and of its key, for servers that want one
	// (mTLS). Both or neither.
	CertFile, KeyFile string
}

// IsZero tells whether nothing differs from the default.
func (t TLS) IsZero() bool { return t == TLS{} }

// check looks at everything but the files.
func (t TLS) check(fail report) {
	fail("rootCAFile", checkPath(t.RootCAFile))
	fail("certFile", checkPath(t.CertFile))
	fail("keyFile", checkPath(t.KeyFile))
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		fail("keyFile", wrong("the key of certFile", "missing"))
	case t.KeyFile != "" && t.CertFile == "":
		fail("certFile", wrong("the certificate of keyFile", "missing"))
	}
	switch {
	case t.RootCAFile != "" && t.RootCAPEM != "":
		fail("rootCAPEM", wrong("one of them", "rootCAFile is set, too"))
	case len(t.RootCAPEM) > MaxPEM:
		fail("rootCAPEM", wrong(fmt.Sprintf("at most %d", MaxPEM), "is %d bytes long", len(t.RootCAPEM)))
	case t.RootCAPEM != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.RootCAPEM)):
		fail("rootCAPEM", wrong("at least one block of BEGIN CERTIFICATE", "no certificate in it"))
	}
}

// checkPath refuses what can be no file's path; an empty one is right.
func checkPath(path string) *configerr.Error {
	switch {
	case len(path) > MaxPath:
		return bad(path, fmt.Sprintf("at most %d", MaxPath), "is %d bytes long", len(path))
	case strings.ContainsRune(path, 0):
		return bad(path, "the path of a file", "has a NUL")
	}
	return nil
}
