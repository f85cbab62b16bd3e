package dialer

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"

	"golang.org/x/net/http/httpproxy"

	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/race"
	"github.com/cantonlb/cantonlb/internal/socket"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// Dialer connects to endpoints. It is safe for concurrent use as long as it is not
// changed.
type Dialer struct {
	// Names resolves host names.
	Names *names.Resolver
	// Proxies says which endpoints are reached through a proxy. The zero value means
	// none.
	Proxies Proxies
	// ProxyTLS is the TLS configuration for proxies with an https:// URL; nil means
	// the system's root certificates. The server name is filled in.
	ProxyTLS *tls.Config
}

// Dial connects to host:port, through a proxy if there is one for it, or to a Unix
// domain socket, in the form of package socket. The addresses of
// a name are raced, unless the attempt of a SubConn is about one of them: see
// transport.Attempt.
func (d *Dialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	if path, ok := socket.Path(address); ok {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	proxy, err := d.Proxies.For(address)
	if err != nil {
		return nil, err
	}
	a := transport.AttemptOf(ctx)
	a.Progress.Enter(report.PhaseTCP)
	if proxy != nil {
		return d.tunnel(ctx, proxy, address, a.Progress)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if a.To.IsValid() {
		return d.connect(ctx, a.To, port)
	}
	addrs, err := d.lookUp(ctx, host, a.Progress, a.Found)
	if err != nil {
		return nil, err
	}
	if a.Found != nil {
		a.Found(addrs)
		return d.connect(ctx, addrs[0], port)
	}
	return first(ctx, len(addrs), func(ctx context.Context, i int) (net.Conn, error) { return d.connect(ctx, addrs[i], port) })
}

// lookUp returns the addresses of a name. The progress stays at the look-up if that has not
// ended.
func (d *Dialer) lookUp(ctx context.Context, name string, progress *transport.Progress, more func([]netip.Addr)) ([]netip.Addr, error) {
	progress.Enter(report.PhaseLookup)
	addrs, err := d.Names.Addresses(ctx, name, more)
	switch {
	case err == nil:
		progress.Enter(report.PhaseTCP)
	case !errors.Is(err, names.ErrPending):
		progress.Enter("")
	}
	return addrs, err
}

// first connects to one of n addresses, which are raced.
func first(ctx context.Context, n int, dial func(ctx context.Context, i int) (net.Conn, error)) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}
	won, _ := race.Race[dialed]{
		Addresses: n,
		Try: func(ctx context.Context, i int) (dialed, bool) {
			conn, err := dial(ctx, i)
			return dialed{conn, err}, err == nil
		},
		Lose: func(d dialed) {
			if d.conn != nil {
				_ = d.conn.Close() // nobody uses it
			}
		},
	}.Run(ctx)
	return won.conn, won.err
}

// connect makes a TCP connection.
func (*Dialer) connect(ctx context.Context, to netip.Addr, port string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(to.String(), port))
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
