package jsonapi

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/resolver"
)

// maxPrefix bounds the path of a base URL, in bytes.
const maxPrefix = 1024

// server is an endpoint with a parsed base URL. It does not change.
type server struct {
	Endpoint

	scheme, hostPort string
	host             string // the Host of requests
	prefix           string // the path of the base URL, without a slash at its end
}

// readServers checks a list and returns it in normal form.
func readServers(list []Endpoint) ([]server, error) {
	var faults fault.List
	bare := slices.Clone(list)
	prefixes := make([]string, len(list))
	for i, e := range list {
		rest, prefix, err := splitBase(e.Address)
		if err == nil {
			err = checkHealthTarget(e.Health)
		}
		if err != nil {
			faults.AddIn(fmt.Sprintf("endpoints[%d]", i), err)
			continue
		}
		bare[i].Address, prefixes[i] = rest, prefix
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	normal, err := resolver.Normalize(bare)
	if err != nil {
		return nil, err
	}
	out := make([]server, len(normal))
	for i, e := range normal {
		s := server{Endpoint: e, scheme: "https", prefix: prefixes[i], hostPort: e.HostPort()}
		switch e.Security() {
		case resolver.SecurityPlaintext:
			s.scheme = "http"
		case resolver.SecurityTLS:
		default:
			faults.AddIn(fmt.Sprintf("endpoints[%d]", i), &configerr.Error{
				Field: "address", Value: fault.Quote(e.Address), Problem: "does not say whether the connection is to be TLS or plaintext",
				Want: "https:// or http:// before it, or TLS settings",
			})
		}
		s.host = e.Authority()
		if host, port, err := net.SplitHostPort(s.host); err == nil && port == defaultPorts[s.scheme] {
			s.host = host
			if strings.Contains(host, ":") {
				s.host = "[" + host + "]"
			}
		}
		out[i] = s
	}
	return out, faults.Err()
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// splitBase separates the path of a base URL from the address, and adds the port that
// the scheme stands for.
func splitBase(address string) (rest, prefix string, _ *configerr.Error) {
	scheme, after, isURL := strings.Cut(address, "://")
	scheme = strings.ToLower(scheme)
	if !isURL || defaultPorts[scheme] == "" {
		return address, "", nil
	}
	hostPort, path := after, ""
	if i := strings.IndexByte(after, '/'); i >= 0 {
		hostPort, path = after[:i], after[i:]
	}
	refuse := func(problem string) (string, string, *configerr.Error) {
		return "", "", &configerr.Error{
			Field: "address", Value: fault.Quote(address), Problem: problem, Want: "a base URL such as \"https://host:7575/api\"",
		}
	}
	switch {
	case strings.ContainsAny(hostPort, "?#") || strings.Contains(after, "@"):
		return address, "", nil // package resolver says what is wrong
	case strings.Contains(path, "?"):
		return refuse("has a query")
	case strings.Contains(path, "#"):
		return refuse("has a fragment")
	}
	parsed, err := url.Parse(path)
	switch {
	case len(path) > maxPrefix:
		return "", "", &configerr.Error{
			Field: "address", Problem: fmt.Sprintf("has a path of %d bytes", len(path)), Want: fmt.Sprintf("at most %d", maxPrefix),
		}
	case strings.Contains(path, "//"), slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." }):
		return refuse("has an empty, . or .. segment in its path")
	case err != nil, parsed.EscapedPath() != path:
		return refuse("has a path with a character that has to be escaped")
	}
	if end := strings.LastIndexByte(hostPort, ']'); !strings.Contains(hostPort[end+1:], ":") && hostPort != "" {
		hostPort += ":" + defaultPorts[scheme]
	}
	return scheme + "://" + hostPort, strings.TrimRight(path, "/"), nil
}

// checkHealthTarget refuses what is no target of an HTTP service.
func checkHealthTarget(h resolver.HealthTarget) *configerr.Error {
	refuse := func(field, value string) *configerr.Error {
		return &configerr.Error{
			Field: field, Value: value, Problem: "an HTTP service is not asked by gRPC", Want: "health.http or health.tcp",
		}
	}
	switch {
	case h.GRPCPort != 0:
		return refuse("health.grpcPort", fmt.Sprint(h.GRPCPort))
	case h.GRPCAddress != "":
		return refuse("health.grpcAddress", fault.Quote(h.GRPCAddress))
	case h.Service != "":
		return refuse("health.service", fault.Quote(h.Service))
	}
	return nil
}

// same reports whether a connection to s may be used for o: only weight, zone and
// priority differ.
func (s server) same(o server) bool {
	a, b := s.Endpoint, o.Endpoint
	a.Weight, a.Zone, a.Priority = b.Weight, b.Zone, b.Priority
	return a.Equal(b) && s.prefix == o.prefix
}

// page returns the URL of a page below the base URL. The zone of an IPv6 address is escaped
// in it.
func (s server) page(path string) string {
	at := url.URL{Scheme: s.scheme, Host: s.hostPort}
	return at.String() + s.prefix + path
}

// logical is the host that requests are made to.
type logical struct{ host string }

// check returns an error for a request to another host.
func (l logical) check(r *http.Request) error {
	u := r.URL
	switch {
	case u == nil:
		return &HostError{Want: l.host}
	case u.Scheme != "http" && u.Scheme != "https":
	case u.Host == l.host, strings.EqualFold(strings.TrimSuffix(u.Host, ":"+defaultPorts[u.Scheme]), l.host):
		return nil
	}
	return &HostError{Scheme: u.Scheme, Host: u.Host, Want: l.host}
}

// rewrite returns the URL and the Host of a request at a server.
func (l logical) rewrite(r *http.Request, s *server) (*url.URL, string) {
	u := *r.URL
	u.Scheme, u.Host, u.User = s.scheme, s.hostPort, nil
	if s.prefix != "" && u.Path != "*" { // * is the server itself
		escaped := u.EscapedPath()
		if escaped != "" && escaped[0] != '/' {
			escaped = "/" + escaped
		}
		escaped = s.prefix + escaped
		u.Path, u.RawPath = unescaped(escaped), escaped
	}
	if rest, found := strings.CutPrefix(u.Opaque, "//"); found { // //host/path, as for a request by hand
		path := strings.TrimLeftFunc(rest, func(r rune) bool { return r != '/' && r != '?' })
		u.Opaque = "//" + s.hostPort + s.prefix + "/" + strings.TrimPrefix(path, "/")
	} else if strings.HasPrefix(u.Opaque, "/") {
		u.Opaque = s.prefix + u.Opaque
	}
	host := r.Host
	if host == "" || strings.EqualFold(host, r.URL.Host) || strings.EqualFold(host, l.host) {
		host = s.host
	}
	return &u, host
}

func unescaped(path string) string {
	if s, err := url.PathUnescape(path); err == nil {
		return s
	}
	return path
}

// mapBack returns the address in a response to a request at the server from as one at the
// logical host, if it is below the base URL of that server or of one of the list. at is the
// URL of the request at the server, and scheme that of the request at the logical host. An
// address that is relative to the request, and not below a base URL, is returned as the one
// that it stands for, and any other as it is.
func (l logical) mapBack(location, scheme string, at *url.URL, from *server, list []server) string {
	u, err := url.Parse(location)
	relative := err == nil && u.Scheme == "" && u.Host == ""
	if err != nil || location == "" || u.Host == "" && !relative || relative && from.prefix == "" {
		return location
	}
	to := at.ResolveReference(u)
	for _, s := range append([]server{*from}, list...) {
		path, below := s.below(to)
		if !below || !s.isAt(to) {
			continue
		}
		out := *to
		out.RawPath, out.Path = path, unescaped(path)
		out.Scheme, out.Host, out.User = scheme, l.host, nil
		if relative && path != "" {
			out.Scheme, out.Host = "", ""
		}
		return out.String()
	}
	if relative {
		return to.String()
	}
	return location
}

// below returns the path of a URL below the server's base URL.
func (s *server) below(u *url.URL) (path string, ok bool) {
	path, ok = strings.CutPrefix(u.EscapedPath(), s.prefix)
	return path, ok && (path == "" || path[0] == '/')
}

// isAt reports whether a URL is at the server, whose port may be left out.
func (s *server) isAt(u *url.URL) bool {
	scheme := u.Scheme
	if scheme == "" {
		scheme = s.scheme
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), defaultPorts[scheme])
	}
	if scheme != s.scheme {
		return false
	}
	if strings.EqualFold(host, s.hostPort) {
		return true
	}
	own := s.host
	if _, _, err := net.SplitHostPort(own); err != nil {
		own = net.JoinHostPort(strings.Trim(own, "[]"), defaultPorts[s.scheme])
	}
	return strings.EqualFold(host, own)
}
