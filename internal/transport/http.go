package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/resolver"
)

// httpTimeout bounds connecting and the handshake after the request that needed the
// connection has been abandoned.
const httpTimeout = 5 * time.Second

// HTTPClient returns a client for pages of this endpoint, like
// healthcheck.NewHTTPClient. Connections are made by dial, https ones with the
// endpoint's TLS settings, and each request carries the endpoint's token. The
// client is for one host: it follows no redirects.
func (c *Credentials) HTTPClient(e resolver.Endpoint, dial healthcheck.DialFunc) *http.Client {
	client := healthcheck.NewHTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base, ok := client.Transport.(*http.Transport)
	if !ok {
		return client // NewHTTPClient returns such a client
	}
	if path := e.UnixSocket(); path != "" { // whatever the host of the URL
		tcp := dial
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return tcp(ctx, "unix", e.HostPort()) }
	}
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, httpTimeout)
		defer cancel()
		return dial(ctx, network, address)
	}
	base.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, httpTimeout)
		defer cancel()
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return c.secure(ctx, e, raw)
	}
	client.Transport = c.WithToken(e, base)
	return client
}

// secure performs the TLS handshake on a connection for HTTPS.
func (c *Credentials) secure(ctx context.Context, e resolver.Endpoint, raw net.Conn) (net.Conn, error) {
	config, err := c.shared.files.tlsConfig(e.TLS)
	if err != nil {
		_ = raw.Close() // it will not be used
		return nil, err
	}
	config.NextProtos = []string{"http/1.1"}
	config.ServerName = hostOf(e)
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the same
		return nil, err
	}
	return conn, nil
}

// hostOf returns the name that the endpoint's certificate must have.
func hostOf(e resolver.Endpoint) string {
	name := e.Authority()
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}

// TLSConfig returns the TLS configuration of an http.Transport for this endpoint
// alone, through a proxy too. The settings of the endpoint take precedence over those
// of base, which may be nil. The endpoint's files are read again for each handshake,
// as far as they have changed. Verification is never turned off.
func (c *Credentials) TLSConfig(e resolver.Endpoint, base *tls.Config) (*tls.Config, error) {
	config := &tls.Config{}
	if base != nil {
		config = base.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.ServerName = hostOf(e)
	config.InsecureSkipVerify = false
	own, err := c.shared.files.tlsConfig(e.TLS)
	if err != nil {
		return nil, err
	}
	if own.RootCAs != nil {
		config.RootCAs = own.RootCAs
	}
	if e.TLS.CertFile != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := c.shared.files.pair(e.TLS).get()
			return &pair, err
		}
	}
	if e.TLS.RootCAFile != "" {
		c.verifyByFile(config, e)
	}
	return config, nil
}

// verifyByFile makes each handshake verify the server against the present content of
// the endpoint's file. crypto/tls has no other hook for that: its own verification,
// by a fixed pool, has to be replaced by the same one.
func (c *Credentials) verifyByFile(config *tls.Config, e resolver.Endpoint) {
	verify, name := config.VerifyConnection, config.ServerName // that of the state is empty for an IP address
	config.InsecureSkipVerify = true                           // VerifyConnection verifies
	config.VerifyConnection = func(s tls.ConnectionState) error {
		roots, err := c.shared.files.roots(e.TLS.RootCAFile).get()
		if err != nil {
			return err
		}
		options := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
		if len(s.PeerCertificates) == 0 || name == "" {
			return errors.New("the server has sent no certificate, or has no name to verify")
		}
		for _, certificate := range s.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		if _, err := s.PeerCertificates[0].Verify(options); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
}

// WithToken returns a RoundTripper that sends the endpoint's token, if it has one, with
// each request. base makes connections to this endpoint alone.
func (c *Credentials) WithToken(e resolver.Endpoint, base *http.Transport) http.RoundTripper {
	return &authorized{base: base, creds: c, endpoint: e}
}

// authorized sends the endpoint's token with each request.
type authorized struct {
	base     *http.Transport
	creds    *Credentials
	endpoint resolver.Endpoint
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	md, err := a.creds.RequestTokens(r.Context(), a.endpoint, r.URL)
	if err != nil {
		return nil, err
	}
	if len(md) > 0 {
		r = r.Clone(r.Context()) // a RoundTripper must not modify the request
		for key, value := range md {
			r.Header.Set(key, value)
		}
	}
	return a.base.RoundTrip(r)
}

// RequestTokens returns the header fields with the endpoint's token for a request to
// this URL of the endpoint, or none if the endpoint has no token. The errors are
// those of Tokens.
func (c *Credentials) RequestTokens(ctx context.Context, e resolver.Endpoint, u *url.URL) (map[string]string, error) {
	if !e.HasToken() {
		return nil, nil
	}
	level := credentials.NoSecurity
	if u.Scheme == "https" {
		level = credentials.PrivacyAndIntegrity
	}
	info := &AuthInfo{inner: plainInfo{credentials.CommonAuthInfo{SecurityLevel: level}}, endpoint: e}
	ctx = credentials.NewContextWithRequestInfo(ctx, credentials.RequestInfo{Method: u.Path, AuthInfo: info})
	return c.Tokens().GetRequestMetadata(ctx, u.Scheme+"://"+u.Host)
}

// CloseIdleConnections implements the interface that
// http.Client.CloseIdleConnections uses.
func (a *authorized) CloseIdleConnections() { a.base.CloseIdleConnections() }

// plainInfo is an AuthInfo that contains only the security level of a connection.
type plainInfo struct{ credentials.CommonAuthInfo }

func (plainInfo) AuthType() string { return "http" }
