package explain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ExampleNoEligibleError() {
	fmt.Println(&explain.NoEligibleError{Of: 3, More: 1, Endpoints: []report.IneligibleEndpoint{
		{Name: "seq1", State: report.StateUnhealthy, Reason: report.ReasonNotServing, For: 12 * time.Second},
		{Name: "seq2", State: report.StateConnecting, Detail: "connection refused", NextTry: 400 * time.Millisecond},
	}})
	// Output:
	// no eligible endpoint of 3: seq1 unhealthy (not_serving, 12s), seq2 connecting (connection refused; next try in 400ms) and 1 more
}

var (
	unknown = x509.UnknownAuthorityError{}
	name    = x509.HostnameError{Certificate: new(x509.Certificate), Host: "127.0.0.1"}
)

func TestACertificateThatIsNotValidSaysWhatToDo(t *testing.T) {
	ca, leaf := &x509.Certificate{IsCA: true}, new(x509.Certificate)
	for want, err := range map[string]x509.CertificateInvalidError{
		"it is an authority's certificate: see tls.rootCAFile": {Cert: ca, Reason: x509.Expired},
		"it is the server's certificate":                       {Cert: leaf, Reason: x509.Expired},
		"it needs the extended key usage serverAuth":           {Cert: leaf, Reason: x509.IncompatibleUsage},
		"is not an authority's: see tls.rootCAFile":            {Cert: leaf, Reason: x509.NotAuthorizedToSign},
		"see the endpoint's serverName":                        {Cert: ca, Reason: x509.CANotAuthorizedForThisName},
		"too many intermediates":                               {Cert: ca, Reason: x509.TooManyIntermediates},
	} {
		failed := &tls.CertificateVerificationError{Err: err}
		assert.Contains(t, explain.ErrorText(&transport.HandshakeError{Endpoint: "a", Err: failed}), want)
	}
}

func TestAConnectionErrorSaysWhatHappened(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	assert.Equal(t, refused.Error(), explain.ErrorText(fmt.Errorf("grpc says: %w", refused)))
	assert.Equal(t, "other", explain.ErrorText(errors.New("other")))
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	broken := &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	handshake := func(err error) error {
		return fmt.Errorf("grpc says: %w", &transport.HandshakeError{Endpoint: "a", Err: err})
	}
	for want, err := range map[string]error{
		"lookup db on 10.0.0.1:53: no such host": fmt.Errorf("grpc says: %w", &net.DNSError{
			Err: "no such host", Name: "db", Server: "10.0.0.1:53", IsNotFound: true,
		}),
		"lookup failed": errors.New(`connection error: desc = "transport: Error while dialing: lookup failed"`),
		"the server closed the connection before it answered":                                                                 fmt.Errorf("error reading server preface: %w", io.EOF),
		"the server closed the connection before it answered: " + reset.Error():                                               fmt.Errorf("grpc says: %w", reset),
		"the server closed the connection before it answered: " + broken.Error():                                              fmt.Errorf("grpc says: %w", broken),
		"handshake failed: the server did not answer in time":                                                                 handshake(context.DeadlineExceeded),
		"handshake failed: wrong":                                                                                             handshake(errors.New("wrong")),
		"handshake failed: " + unknown.Error() + "; its authority is not among the roots: see tls.rootCAFile":                 handshake(unknown),
		"remote error: tls: unrecognized name; the server does not know this name: see the endpoint's serverName":             alert("unrecognized name"),
		"handshake failed: " + name.Error() + "; see the endpoint's serverName":                                               handshake(name),
		"remote error: tls: certificate required; the server requires a client certificate: set tls.certFile and tls.keyFile": alert("certificate required"),
		"handshake failed: remote error: tls: no application protocol; the server does not speak HTTP/2 on this port: " +
			"this is not a gRPC port": handshake(alert("no application protocol")),
		"remote error: tls: bad certificate; the server rejects the client certificate, or requires one: see tls.certFile and tls.keyFile": alert("bad certificate"),
		"remote error: tls: internal error": alert("internal error"),
	} {
		assert.Equal(t, want, explain.ErrorText(err))
	}
	assert.Empty(t, explain.ErrorText(nil))
	assert.Equal(t, report.ReasonConnectFailed, explain.ConnectReason(refused))
	assert.Equal(t, report.ReasonHandshakeFailed, explain.ConnectReason(&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}))
	assert.EqualError(t, explain.Plainly(refused), refused.Error())
}
