package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/resolver"
)

// server makes handshakes with a certificate of its own authority.
type server struct {
	ca    *lbtest.CA
	creds credentials.TransportCredentials
}

func newServer(t *testing.T, host string, configure ...func(*tls.Config)) server {
	t.Helper()
	ca := lbtest.NewCA(t, "CA of "+host)
	pair := ca.Issue(host)
	certificate, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
	require.NoError(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for _, f := range configure {
		f(config)
	}
	return server{ca: ca, creds: credentials.NewTLS(config)}
}

// handshake connects as grpc does to an address of this endpoint; against a
// server without credentials, in plaintext.
func handshake(t *testing.T, c *Credentials, s server, e resolver.Endpoint) (net.Conn, credentials.AuthInfo, error) {
	t.Helper()
	list, err := resolver.Normalize([]resolver.Endpoint{e})
	require.NoError(t, err)
	return handshakeWith(t, c, s, list[0].Authority(), attributesOf(t, list[0]))
}

func handshakeWith(t *testing.T, c *Credentials, s server, authority string, attrs *attributes.Attributes) (net.Conn, credentials.AuthInfo, error) {
	t.Helper()
	listener := bufconn.Listen(1 << 16) // with buffers, unlike net.Pipe: both ends write alerts
	defer func() { _ = listener.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		far, err := listener.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		if s.creds != nil {
			_, _, _ = s.creds.ServerHandshake(far)
		}
	}()
	near, err := listener.DialContext(t.Context())
	require.NoError(t, err)
	defer func() { near.Close(); <-done }()
	return c.handshake(t.Context(), attrs, authority, near)
}

// attributesOf returns the attributes of an endpoint's address.
func attributesOf(t *testing.T, e resolver.Endpoint) *attributes.Attributes {
	t.Helper()
	list, err := resolver.New([]resolver.Endpoint{e})
	require.NoError(t, err)
	channel := new(capture)
	built, err := list.Build(grpcresolver.Target{}, channel, grpcresolver.BuildOptions{})
	require.NoError(t, err)
	built.Close()
	return channel.state.Endpoints[0].Addresses[0].Attributes
}

// capture is a channel that keeps the resolver's state.
type capture struct {
	grpcresolver.ClientConn

	state grpcresolver.State
}

func (c *capture) UpdateState(s grpcresolver.State) error { c.state = s; return nil }

func TestEachConnectionIsMadeAsItsEndpointAsks(t *testing.T) {
	north, south := newServer(t, "north.example"), newServer(t, "south.example")
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(north.ca.PEM())))
	channel := credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	own := resolver.TLS{RootCAPEM: south.ca.PEM()}
	for name, c := range map[string]struct {
		channel  credentials.TransportCredentials
		server   server
		endpoint resolver.Endpoint
		authType string
		fails    string
	}{
		"plaintext by its URL":                {nil, server{}, resolver.Endpoint{Address: "http://a:1"}, "insecure", ""},
		"TLS with its own roots":              {nil, south, resolver.Endpoint{Address: "https://south.example:1", TLS: own}, "tls", ""},
		"TLS by having settings":              {nil, south, resolver.Endpoint{Address: "south.example:1", TLS: own}, "tls", ""},
		"another server name":                 {nil, south, resolver.Endpoint{Address: "https://10.0.0.1:1", ServerName: "south.example", TLS: own}, "tls", ""},
		"own settings before the channel's":   {channel, south, resolver.Endpoint{Address: "https://south.example:1", TLS: own}, "tls", ""},
		"TLS without settings, the channel's": {channel, north, resolver.Endpoint{Address: "https://north.example:1"}, "tls", ""},
		"nothing, so the channel's":           {channel, north, resolver.Endpoint{Address: "north.example:1"}, "tls", ""},
		"nothing, in plaintext":               {insecure.NewCredentials(), server{}, resolver.Endpoint{Address: "a:1"}, "insecure", ""},
		"an unknown authority": {nil, north, resolver.Endpoint{Name: "n", Address: "https://north.example:1", TLS: own}, "",
			`endpoint "n": tls: failed to verify certificate: x509: certificate signed by unknown authority`},
		"the system's roots": {nil, north, resolver.Endpoint{Name: "n", Address: "https://north.example:1"}, "", "unknown authority"},
		"another name in the certificate": {nil, south, resolver.Endpoint{Name: "s", Address: "https://elsewhere:1", TLS: own}, "",
			`endpoint "s": tls: failed to verify certificate: x509: certificate is valid for south.example, not elsewhere`},
		"nothing at all": {nil, server{}, resolver.Endpoint{Name: "x", Address: "a:1"}, "", `endpoint "x": the endpoint does not say`},
	} {
		t.Run(name, func(t *testing.T) {
			conn, info, err := handshake(t, New(c.channel), c.server, c.endpoint)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				var typed *HandshakeError
				require.ErrorAs(t, err, &typed)
				assert.Equal(t, c.endpoint.Name, typed.Endpoint)
				assert.Nil(t, conn)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.authType, info.AuthType())
			assert.NotEmpty(t, info.(*AuthInfo).Endpoint())
		})
	}
}

func TestNothingOlderThanTLS12IsSpoken(t *testing.T) {
	old := newServer(t, "old.example", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	_, _, err := handshake(t, New(nil), old, resolver.Endpoint{Address: "https://old.example:1", TLS: resolver.TLS{RootCAPEM: old.ca.PEM()}})
	require.ErrorContains(t, err, "protocol version")
}

func TestAConnectionWithoutAnEndpointIsTheChannels(t *testing.T) {
	c := New(insecure.NewCredentials())
	_, info, err := handshakeWith(t, c, server{}, "x", nil)
	require.NoError(t, err)
	_, named := info.(*AuthInfo)
	assert.False(t, named)

	h, line := new(Holder), new(Line)
	line.Begin(&Attempt{Holder: h})
	conn, _, err := handshakeWith(t, c, server{}, "x", With(grpcresolver.Address{}, line).Attributes)
	require.NoError(t, err)
	assert.True(t, h.Held())
	assert.IsType(t, &held{}, conn)
}

func TestCredentialsForOneEndpointLookAtNoAddress(t *testing.T) {
	south := newServer(t, "south.example")
	c := New(nil).For(resolver.Endpoint{Name: "s", Address: "https://south.example:1", TLS: resolver.TLS{RootCAPEM: south.ca.PEM()}})
	_, info, err := handshakeWith(t, c, south, "anything", nil)
	require.NoError(t, err)
	assert.Equal(t, "s", info.(*AuthInfo).Endpoint())
}

func TestCredentialsSayWhatTheChannelsSayUnlessAnEndpointAsksForTLS(t *testing.T) {
	assert.Equal(t, "insecure", New(nil).Info().SecurityProtocol)
	assert.Equal(t, "tls", New(credentials.NewTLS(nil)).Info().SecurityProtocol)
	c := New(insecure.NewCredentials())
	assert.Equal(t, "insecure", c.Info().SecurityProtocol)
	assert.Same(t, c, New(c))
	clone := c.Clone()
	require.NoError(t, c.CheckEndpoint(resolver.Endpoint{Address: "https://a:1", TLS: resolver.TLS{RootCAPEM: lbtest.NewCA(t, "x").PEM()}}))
	assert.Equal(t, "tls", clone.Info().SecurityProtocol, "a clone shares it")

	_, _, err := c.ServerHandshake(nil)
	require.Error(t, err)
	require.NoError(t, c.OverrideServerName("x"))
	require.NoError(t, New(nil).OverrideServerName("x"))
}

// refusing are credentials whose handshakes fail.
type refusing struct {
	credentials.TransportCredentials
}

var errRefused = errors.New("refused")

func (refusing) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errRefused
}

func TestAFailedHandshakeOfTheChannelsCredentialsKeepsItsCause(t *testing.T) {
	_, _, err := New(refusing{insecure.NewCredentials()}).ClientHandshake(t.Context(), "x", nil)
	require.ErrorIs(t, err, errRefused)
}

func TestAuthInfoPassesOnWhatTheHandshakeGave(t *testing.T) {
	inner := credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	info := &AuthInfo{inner: inner, endpoint: resolver.Endpoint{Name: "n"}}
	assert.Equal(t, "tls", info.AuthType())
	assert.Equal(t, credentials.PrivacyAndIntegrity, info.GetCommonAuthInfo().SecurityLevel)
	assert.Equal(t, inner, info.Unwrap())
	require.ErrorContains(t, info.ValidateAuthority("a"), `authority "a"`, "the words differ between releases of grpc")

	unknown := &AuthInfo{inner: bare{}}
	assert.Equal(t, credentials.InvalidSecurityLevel, unknown.GetCommonAuthInfo().SecurityLevel)
	require.ErrorContains(t, unknown.ValidateAuthority("a"), "do not allow")
	assert.Empty(t, (&AuthInfo{}).AuthType())
}

// bare is an AuthInfo that says next to nothing.
type bare struct{}

func (bare) AuthType() string { return "bare" }
