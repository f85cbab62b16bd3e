package explain

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Plainly returns an error of the resolver as a plain error with the same text. The
// resolver's own may be a status error, which would end calls that are willing to
// wait.
func Plainly(err error) error { return errors.New(cleantext.Detail(ErrorText(err))) }

// ErrorText returns the part of a connection error that describes what happened,
// without the text that grpc adds around it. Where it is clear which setting is wrong, it
// names that.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	text := plainText(err)
	if hint := hintOf(err); hint != "" {
		text += "; " + hint
	}
	return text
}

func plainText(err error) string {
	var handshake *transport.HandshakeError
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &handshake) && errors.Is(err, context.DeadlineExceeded):
		return "handshake failed: the server did not answer in time"
	case errors.As(err, &handshake):
		return handshake.Cause()
	case errors.Is(err, io.EOF):
		return "the server closed the connection before it answered"
	case errors.As(err, &op) && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return "the server closed the connection before it answered: " + op.Error()
	case errors.As(err, &op):
		return op.Error()
	case errors.As(err, &dns):
		return dns.Error()
	default:
		return strings.TrimPrefix(cleantext.ConnectError(err.Error()), "transport: Error while dialing: ")
	}
}

// hintOf returns which setting of the endpoint the error is about, or "" if that is not
// clear.
func hintOf(err error) string {
	var op *net.OpError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid):
		return invalidHint(invalid)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "its authority is not among the roots: see tls.rootCAFile"
	case errors.As(err, new(x509.HostnameError)):
		return "see the endpoint's serverName"
	case transport.IsAlert(err) && errors.As(err, &op):
		return alertHints[op.Err.Error()]
	default:
		return ""
	}
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
	"tls: no application protocol":       "the server does not speak HTTP/2 on this port: this is not a gRPC port",
}

const rejectedHint = "the server rejects the client certificate, or requires one: see tls.certFile and tls.keyFile"

// ConnectReason returns why an attempt to connect has failed.
func ConnectReason(err error) report.Reason {
	if errors.As(err, new(*transport.HandshakeError)) || transport.IsAlert(err) {
		return report.ReasonHandshakeFailed
	}
	return report.ReasonConnectFailed
}
