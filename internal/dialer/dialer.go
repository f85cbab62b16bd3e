package dialer

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"syscall"

	"golang.org/x/net/http/httpproxy"

	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Dialer connects to endpoints. Its zero value uses the system's resolver and no
// proxy. It is safe for concurrent use as long as it is not changed.
type Dialer struct {
	// Resolver resolves host names; nil means the system's resolver.
	Resolver *net.Resolver
	// Proxies says which endpoints are reached through a proxy. The zero value means
	// none.
	Proxies Proxies
	// ProxyTLS is the TLS configuration for proxies with an https:// URL; nil means
	// the system's root certificates. The server name is filled in.
	ProxyTLS *tls.Config
}

// Dial connects to host:port, through a proxy if there is one for it.
func (d *Dialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	proxy, err := d.Proxies.For(address)
	if err != nil {
		return nil, err
	}
	progress := transport.ProgressOf(ctx)
	progress.Enter(report.PhaseTCP)
	if host, _, err := net.SplitHostPort(address); err == nil && net.ParseIP(host) == nil && proxy == nil {
		progress.Enter(report.PhaseLookup)
	}
	direct := &net.Dialer{Resolver: d.Resolver, ControlContext: func(context.Context, string, string, syscall.RawConn) error {
		progress.Enter(report.PhaseTCP)
		return nil
	}}
	if proxy == nil {
		return direct.DialContext(ctx, "tcp", address)
	}
	return d.tunnel(ctx, direct, proxy, address)
}

// Proxies says which endpoints are reached through a proxy.
type Proxies struct {
	proxy *url.URL
	bad   error
	// applies returns some URL for an address that is reached through the proxy.
	applies func(*url.URL) (*url.URL, error)
}

// ProxiesFromEnvironment reads HTTPS_PROXY and NO_PROXY, or their lower-case
// variants.
func ProxiesFromEnvironment() Proxies {
	c := httpproxy.FromEnvironment()
	return NewProxies(c.HTTPSProxy, c.NoProxy)
}

// NewProxies takes the values of HTTPS_PROXY and NO_PROXY. If HTTPS_PROXY is
// invalid, the dials that need the proxy fail with an error: they do not bypass it.
func NewProxies(httpsProxy, noProxy string) Proxies {
	if httpsProxy == "" {
		return Proxies{}
	}
	proxy, err := parseProxy(httpsProxy)
	// Whether NO_PROXY covers an address does not depend on where the proxy is.
	c := httpproxy.Config{HTTPSProxy: "http://proxy.invalid", NoProxy: noProxy}
	return Proxies{proxy: proxy, bad: err, applies: c.ProxyFunc()}
}

// For returns the proxy for host:port, nil if there is none.
func (p Proxies) For(address string) (*url.URL, error) {
	if p.applies == nil {
		return nil, nil
	}
	if found, err := p.applies(&url.URL{Scheme: "https", Host: address}); found == nil || err != nil {
		return nil, err
	}
	return p.proxy, p.bad
}
