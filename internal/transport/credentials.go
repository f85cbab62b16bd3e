package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// Credentials are transport credentials that secure each connection as configured
// by the endpoint in the attributes of its address: in plaintext, with TLS settings
// of its own, or by the channel's credentials. Make them with New. They are safe
// for concurrent use.
type Credentials struct {
	channel credentials.TransportCredentials // nil: each endpoint must specify its security
	shared  *shared
	bound   *resolver.Endpoint // not nil: every connection is secured for this endpoint
}

// shared is the state that clones share.
type shared struct {
	files  files
	sawTLS atomic.Bool // an endpoint that specifies TLS itself has been seen
	left   guard.Left  // credentials that have not returned in time
}

var _ resolver.EndpointCredentials = (*Credentials)(nil)

// New returns Credentials. channel is used for endpoints that specify nothing, or
// TLS without settings; nil means none. If channel is a *Credentials, it is
// returned unchanged.
func New(channel credentials.TransportCredentials) *Credentials {
	if already, ok := channel.(*Credentials); ok {
		return already
	}
	return &Credentials{channel: channel, shared: new(shared)}
}

// For returns credentials for a channel to this one endpoint, regardless of the
// channel's addresses.
func (c *Credentials) For(e resolver.Endpoint) *Credentials {
	return &Credentials{channel: c.channel, shared: c.shared, bound: &e}
}

// HandshakeError reports why a connection to an endpoint could not be secured.
type HandshakeError struct {
	// Endpoint is the endpoint's name, empty if it is not known. Err is the cause.
	Endpoint string
	Err      error
}

// Error returns both. grpc's prefix says that it was the handshake.
func (e *HandshakeError) Error() string { return fmt.Sprintf("endpoint %q: %v", e.Endpoint, e.Err) }

// Cause returns the text without the endpoint's name.
func (e *HandshakeError) Cause() string { return "handshake failed: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// ClientHandshake implements credentials.TransportCredentials. Its errors are
// *HandshakeError.
func (c *Credentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.handshake(ctx, credentials.ClientHandshakeInfoFromContext(ctx).Attributes, authority, raw)
}

// handshake secures a connection to an address with these attributes.
func (c *Credentials) handshake(ctx context.Context, address *attributes.Attributes, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	e, known := resolver.FromAttributes(address)
	if c.bound != nil {
		e, known, authority = *c.bound, true, c.bound.Authority()
	}
	inner, leaf, err := c.of(e)
	if err != nil {
		return nil, nil, &HandshakeError{Endpoint: e.Name, Err: err}
	}
	plaintext, progress := inner.Info().SecurityProtocol == insecureProtocol, attemptOf(address).Progress
	secured := raw
	if plaintext {
		secured = &plainConn{Conn: newOneReader(raw), endpoint: e, others: attemptOf(address).Others}
	} else {
		progress.Enter(report.PhaseTLS)
	}
	conn, info, err := c.shake(ctx, e, inner, authority, secured)
	if err != nil {
		return nil, nil, &HandshakeError{Endpoint: e.Name, Err: explainTLS(e, err)}
	}
	progress.Enter(report.PhaseHTTP2)
	if known {
		info = &AuthInfo{inner: info, endpoint: e}
	}
	if h := attemptOf(address).Holder; h != nil {
		h.presents(leaf)
		conn = h.hold(conn, raw)
	}
	return conn, info, nil
}

// shaken is the result of a handshake.
type shaken struct {
	conn net.Conn
	info credentials.AuthInfo
	err  error
}

// shake performs the handshake. Credentials of the program may ignore the context.
func (c *Credentials) shake(ctx context.Context, e resolver.Endpoint, inner credentials.TransportCredentials, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	if e.Security() == resolver.SecurityPlaintext || c.hasOwnTLS(e) {
		return inner.ClientHandshake(ctx, authority, raw)
	}
	s, err := guard.Await(ctx, &c.shared.left, fmt.Sprintf("the transport credentials for %q", e.Name), mostLeft, func() (s shaken) {
		s.conn, s.info, s.err = inner.ClientHandshake(ctx, authority, raw)
		return s
	}, func(late shaken) {
		if late.conn != nil {
			_ = late.conn.Close() // it is not used
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return s.conn, s.info, unlessNone(s.conn, s.err)
}

var errNothingAsked = errors.New("the endpoint does not say whether it wants TLS, and the channel has no credentials")

// of returns the credentials that an endpoint specifies, and the client's certificate
// among them, if it comes from a file.
func (c *Credentials) of(e resolver.Endpoint) (_ credentials.TransportCredentials, leaf []byte, _ error) {
	switch {
	case e.Security() == resolver.SecurityPlaintext:
		return insecure.NewCredentials(), nil, nil
	case c.hasOwnTLS(e):
		config, err := c.shared.files.tlsConfig(e.TLS)
		if err != nil {
			return nil, nil, err
		}
		return credentials.NewTLS(config), leafOf(config), nil
	case c.channel == nil && e.UnixSocket() != "":
		return insecure.NewCredentials(), nil, nil // it does not leave this machine
	case c.channel == nil:
		return nil, nil, errNothingAsked
	default:
		return c.channel, nil, nil
	}
}

func leafOf(config *tls.Config) []byte {
	if len(config.Certificates) == 0 {
		return nil
	}
	return config.Certificates[0].Certificate[0]
}

// ClientCertificate returns the client's certificate that the files of these settings
// hold now, in DER, or nil if there is none that can be used. It reads the files.
func (c *Credentials) ClientCertificate(t resolver.TLS) []byte {
	if t.CertFile == "" {
		return nil
	}
	pair, err := c.shared.files.pair(t).get()
	if err != nil {
		return nil
	}
	return pair.Certificate[0]
}

// hasOwnTLS reports whether an endpoint has TLS settings of its own.
func (c *Credentials) hasOwnTLS(e resolver.Endpoint) bool {
	return e.Security() == resolver.SecurityTLS && (!e.TLS.IsZero() || c.channel == nil || c.isPlaintext())
}

func (c *Credentials) isPlaintext() bool {
	return c.channel != nil && c.channel.Info().SecurityProtocol == insecureProtocol
}

// The protocol names of grpc's own credentials, which grpc inspects.
const (
	insecureProtocol = "insecure"
	tlsProtocol      = "tls"
)

// Info implements credentials.TransportCredentials. It returns the Info of the
// channel's credentials, unless an endpoint specifies TLS in addition.
func (c *Credentials) Info() credentials.ProtocolInfo {
	info := credentials.ProtocolInfo{SecurityProtocol: insecureProtocol}
	if c.channel != nil {
		info = c.channel.Info()
	}
	if info.SecurityProtocol == insecureProtocol && c.shared.sawTLS.Load() {
		info.SecurityProtocol = tlsProtocol
	}
	return info
}

// ServerHandshake fails: these credentials are for clients.
func (*Credentials) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("credentials for clients only")
}

// Clone returns a copy, which shares the content of files.
func (c *Credentials) Clone() credentials.TransportCredentials {
	clone := *c
	if c.channel != nil {
		clone.channel = c.channel.Clone()
	}
	return &clone
}

// OverrideServerName passes the name on to the channel's credentials.
func (c *Credentials) OverrideServerName(name string) error {
	if c.channel == nil {
		return nil
	}
	//lint:ignore SA1019 it is part of the interface
	return c.channel.OverrideServerName(name) //nolint:staticcheck // as above
}
