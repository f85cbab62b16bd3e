package explain

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/tlshint"
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
	if hint := cmp.Or(tlshint.Of(err), protocolHint(err)); hint != "" {
		text += "; " + hint
	}
	return text
}

// protocolHint returns what the alert of a server says that does not speak HTTP/2.
func protocolHint(err error) string {
	var op *net.OpError
	if tlshint.IsAlert(err) && errors.As(err, &op) && op.Err.Error() == "tls: no application protocol" {
		return "the server does not speak HTTP/2 on this port: this is not a gRPC port"
	}
	return ""
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

// ConnectReason returns why an attempt to connect has failed.
func ConnectReason(err error) report.Reason {
	if errors.As(err, new(*transport.HandshakeError)) || tlshint.IsAlert(err) {
		return report.ReasonHandshakeFailed
	}
	return report.ReasonConnectFailed
}
