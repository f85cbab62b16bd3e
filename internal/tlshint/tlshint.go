// Package tlshint says which setting a failed TLS handshake is about.
//
// # Why
//
// The errors of crypto/tls and crypto/x509 say what is wrong with a certificate, and not
// which setting of an endpoint would change that. Calls, probes over gRPC and probes over
// HTTP fail alike, so they say alike what to look at.
//
// # Defaults
//
// There are none. The package holds no state.
package tlshint

import (
	"crypto/x509"
	"errors"
	"net"
)

// Of returns which setting of the endpoint the error of a connection is about, or "" if
// that is not clear.
func Of(err error) string {
	var op *net.OpError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid):
		return invalidHint(invalid)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "its authority is not among the roots: see tls.rootCAFile"
	case errors.As(err, new(x509.HostnameError)):
		return "see the endpoint's serverName"
	case IsAlert(err) && errors.As(err, &op):
		return alertHints[op.Err.Error()]
	default:
		return ""
	}
}

// IsAlert reports whether an error is a TLS alert from the peer.
func IsAlert(err error) bool {
	var op *net.OpError
	ok := errors.As(err, &op)
	return ok && op.Op == "remote error" // as crypto/tls names it
}

// invalidHint returns what to do about a certificate that is not valid: the server's, or one
// of an authority.
func invalidHint(err x509.CertificateInvalidError) string {
	switch {
	case err.Reason == x509.Expired && err.Cert != nil && err.Cert.IsCA:
		return "it is an authority's certificate: see tls.rootCAFile, the server's intermediate certificates, and this machine's clock"
	case err.Reason == x509.Expired:
		return "it is the server's certificate: the server needs one that is valid now; see also this machine's clock"
	case err.Reason == x509.IncompatibleUsage:
		return "the server's certificate is not for servers: it needs the extended key usage serverAuth"
	case err.Reason == x509.NotAuthorizedToSign:
		return "a certificate that signed the server's is not an authority's: see tls.rootCAFile"
	case err.Reason == x509.CANotAuthorizedForThisName:
		return "the authority may not issue certificates for this name: see the endpoint's serverName and the server's certificate"
	default:
		return ""
	}
}

// alertHints are the hints for TLS alerts, by the texts of crypto/tls, which does not
// export their type.
var alertHints = map[string]string{
	"tls: certificate required":          "the server requires a client certificate: set tls.certFile and tls.keyFile",
	"tls: handshake failure":             "the server may require a client certificate: see tls.certFile and tls.keyFile",
	"tls: bad certificate":               rejectedHint,
	"tls: unknown certificate":           rejectedHint,
	"tls: unknown certificate authority": rejectedHint,
	"tls: unsupported certificate":       rejectedHint,
	"tls: revoked certificate":           rejectedHint,
	"tls: expired certificate":           rejectedHint,
	"tls: unrecognized name":             "the server does not know this name: see the endpoint's serverName",
}

const rejectedHint = "the server rejects the client certificate, or requires one: see tls.certFile and tls.keyFile"
