package statuspage

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// hostOf returns the host of a Host header or of an Origin, without its port, in lower
// case.
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// trusted reports whether the page has buttons under this host: an IP address,
// localhost, or one of WithHosts. Another site can make its own name resolve to the
// address of the page (DNS rebinding); a browser then takes it for the same origin.
func (p *Page) trusted(hostPort string) bool {
	host := hostOf(hostPort)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || p.hosts[host]
}

// hasButtons reports whether the page of this request has buttons.
func (p *Page) hasButtons(r *http.Request) bool { return p.actions != nil && p.trusted(r.Host) }

// checkHost returns an error if the request for an action does not come from the page
// under a trusted host.
func (p *Page) checkHost(r *http.Request) error {
	const want = "an IP address, localhost or one of the option WithHosts"
	if !p.trusted(r.Host) {
		return fmt.Errorf("host %q: has no buttons; want %s", clip(r.Host), want)
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !p.trusted(u.Host) {
			return fmt.Errorf("origin %q: has no buttons; want %s", clip(origin), want)
		}
	}
	return nil
}
