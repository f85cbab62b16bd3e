package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/resolver"
)

// Credentials are transport credentials that make each connection as the endpoint
// in the attributes of its address asks: in plaintext, with TLS settings of its
// own, or by the channel's credentials. Make them with New. They are safe for
// concurrent use.
type Credentials struct {
	channel credentials.TransportCredentials // nil: each endpoint has to ask for something
	shared  *shared
	bound   *resolver.Endpoint // not nil: every connection is made as it asks
}

// shared is what clones have in common.
type shared struct {
	files  files
	sawTLS atomic.Bool // an endpoint that asks for TLS by itself has been seen
}

var _ resolver.EndpointCredentials = (*Credentials)(nil)

// New makes Credentials. channel is what endpoints get that ask for nothing, or
// for TLS without settings; nil is none. If channel is a *Credentials, it is given
// back as it is.
func New(channel credentials.TransportCredentials) *Credentials {
	if already, ok := channel.(*Credentials); ok {
		return already
	}
	return &Credentials{channel: channel, shared: new(shared)}
}

// For gives credentials for a channel to this one endpoint, whatever the addresses
// of the channel say.
func (c *Credentials) For(e resolver.Endpoint) *Credentials {
	return &Credentials{channel: c.channel, shared: c.shared, bound: &e}
}

// HandshakeError is why a connection to an endpoint could not be secured.
type HandshakeError struct {
	// Endpoint is its name, empty if it is not known. Err is the cause.
	Endpoint string
	Err      error
}

// Error gives both. That it was the handshake is what grpc says in front of it.
func (e *HandshakeError) Error() string { return fmt.Sprintf("endpoint %q: %v", e.Endpoint, e.Err) }

// Cause gives the text without the endpoint's name.
func (e *HandshakeError) Cause() string { return "handshake failed: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// ClientHandshake implements credentials.TransportCredentials. Its errors are
// *HandshakeError.
func (c *Credentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.handshake(ctx, credentials.ClientHandshakeInfoFromContext(ctx).Attributes, authority, raw)
}

// handshake makes the connection to an address with these attributes.
func (c *Credentials) handshake(ctx context.Context, address *attributes.Attributes, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	e, known := resolver.FromAttributes(address)
	if c.bound != nil {
		e, known, authority = *c.bound, true, c.bound.Authority()
	}
	inner, err := c.of(e)
	if err != nil {
		return nil, nil, &HandshakeError{Endpoint: e.Name, Err: err}
	}
	conn, info, err := inner.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, &HandshakeError{Endpoint: e.Name, Err: err}
	}
	if known {
		info = &AuthInfo{inner: info, endpoint: e}
	}
	if h, ok := address.Value(key{}).(*Holder); ok {
		conn = h.hold(conn)
	}
	return conn, info, nil
}

var errNothingAsked = errors.New("the endpoint does not say whether it wants TLS, and the channel has no credentials")

// of gives the credentials that an endpoint asks for.
func (c *Credentials) of(e resolver.Endpoint) (credentials.TransportCredentials, error) {
	switch {
	case e.Security() == resolver.SecurityPlaintext:
		return insecure.NewCredentials(), nil
	case c.hasOwnTLS(e):
		config, err := c.shared.files.tlsConfig(e.TLS)
		if err != nil {
			return nil, err
		}
		return credentials.NewTLS(config), nil
	case c.channel == nil:
		return nil, errNothingAsked
	default:
		return c.channel, nil
	}
}

// hasOwnTLS tells whether an endpoint's TLS is not the channel's.
func (c *Credentials) hasOwnTLS(e resolver.Endpoint) bool {
	return e.Security() == resolver.SecurityTLS && (!e.TLS.IsZero() || c.channel == nil || c.isPlaintext())
}

func (c *Credentials) isPlaintext() bool {
	return c.channel != nil && c.channel.Info().SecurityProtocol == insecureProtocol
}

// The names of protocols that grpc's own credentials have, and that it looks at.
const (
	insecureProtocol = "insecure"
	tlsProtocol      = "tls"
)

// Info implements credentials.TransportCredentials: it is what the channel's
// credentials say, unless an endpoint asks for TLS besides.
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

// Clone gives a copy, which shares what was read from files.
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
