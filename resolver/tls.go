package resolver

import (
	"fmt"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/roots"
)

const (
	// MaxPath is the greatest length of a file's path, in bytes.
	MaxPath = 4096
	// MaxPEM is the greatest size of a PEM text or file, in bytes.
	MaxPEM = 1 << 20
)

// TLS holds the TLS settings of one endpoint that differ from the default, which is that
// server certificates are verified against the system's roots and that there is no
// client certificate. The minimum version is always TLS 1.2, and verification cannot be
// turned off. The name that the server's certificate must have is Endpoint.ServerName.
//
// Files are checked again for each new connection, and changed content is used from then
// on. Existing connections keep the content that they were made with. If the client's
// certificate changes, the policies of this module make a new connection within a few
// seconds, and give up the old one once the endpoint is eligible on the new one. New
// content that cannot be used is reported, and the old content stays in effect. Files
// hold at most MaxPEM bytes of PEM.
//
// grpc-go requires the server to support ALPN. An older load balancer without ALPN can
// be reached only with the environment variable GRPC_ENFORCE_ALPN_ENABLED=false, which
// grpc-go reads, for the whole program.
type TLS struct {
	// RootCAFile is the path of the certificates of the authorities that the server's
	// certificate is verified against, instead of the system's.
	RootCAFile string
	// RootCAPEM holds these certificates as text. At most one of RootCAFile and
	// RootCAPEM may be set.
	RootCAPEM string
	// CertFile and KeyFile are the paths of the client's certificate, followed by
	// intermediate ones, and of its key, for servers that require one (mTLS). Set both
	// or neither.
	CertFile, KeyFile string
}

// IsZero reports whether nothing differs from the default.
func (t TLS) IsZero() bool { return t == TLS{} }

// check checks everything except the files.
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
		fail("rootCAPEM", wrong("one of them", "rootCAFile is set too"))
	case len(t.RootCAPEM) > MaxPEM:
		fail("rootCAPEM", wrong(fmt.Sprintf("at most %d", MaxPEM), "is %d bytes long", len(t.RootCAPEM)))
	case t.RootCAPEM != "":
		if _, err := roots.Parse([]byte(t.RootCAPEM)); err != nil {
			fail("rootCAPEM", wrong("one or more whole blocks of BEGIN CERTIFICATE", "%s", cleantext.Detail(err.Error())))
		}
	}
}

// checkPath returns an error if a path cannot be that of a file. An empty path is valid.
func checkPath(path string) *configerr.Error {
	switch {
	case len(path) > MaxPath:
		return bad(path, fmt.Sprintf("at most %d", MaxPath), "is %d bytes long", len(path))
	case strings.ContainsRune(path, 0):
		return bad(path, "the path of a file", "has a NUL")
	}
	return nil
}
