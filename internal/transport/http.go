package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
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
	client.Transport = &authorized{base: base, creds: c, endpoint: e}
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
	config.ServerName = e.Authority()
	if host, _, err := net.SplitHostPort(config.ServerName); err == nil {
		config.ServerName = host
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the same
		return nil, err
	}
	return conn, nil
}

// authorized sends the endpoint's token with each request.
type authorized struct {
	base     *http.Transport
	creds    *Credentials
	endpoint resolver.Endpoint
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.endpoint.HasToken() {
		level := credentials.NoSecurity
		if r.URL.Scheme == "https" {
			level = credentials.PrivacyAndIntegrity
		}
		info := &AuthInfo{inner: plainInfo{credentials.CommonAuthInfo{SecurityLevel: level}}, endpoint: a.endpoint}
		ctx := credentials.NewContextWithRequestInfo(r.Context(), credentials.RequestInfo{Method: r.URL.Path, AuthInfo: info})
		md, err := a.creds.Tokens().GetRequestMetadata(ctx, r.URL.Scheme+"://"+r.URL.Host)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context()) // a RoundTripper must not modify the request
		for key, value := range md {
			r.Header.Set(key, value)
		}
	}
	return a.base.RoundTrip(r)
}

// CloseIdleConnections implements the interface that
// http.Client.CloseIdleConnections uses.
func (a *authorized) CloseIdleConnections() { a.base.CloseIdleConnections() }

// plainInfo is an AuthInfo that contains only the security level of a connection.
type plainInfo struct{ credentials.CommonAuthInfo }

func (plainInfo) AuthType() string { return "http" }
