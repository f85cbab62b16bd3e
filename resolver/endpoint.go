package resolver

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/turns"
)

const (
	// MaxNameLength is the greatest length of an endpoint's name, in bytes.
	MaxNameLength = 256
	// MaxZone is the greatest length of an endpoint's zone, in bytes.
	MaxZone = 64
	// MaxWeight is an endpoint's greatest weight.
	MaxWeight = 100
	// MaxTurns bounds the sum of the weights of a list, divided by their greatest
	// common divisor. After that many calls each endpoint has received exactly its share.
	MaxTurns = turns.Max
	// MaxPriority is an endpoint's greatest priority number.
	MaxPriority = 1000
	// maxServerNameLength leaves room for a host and a port.
	maxServerNameLength = maxHostLength + len(".:65535")
)

// Endpoint is one server of the list. Its identity is its name: an endpoint that
// keeps its name through an update is the same endpoint.
//
// Use field names in composite literals, and compare two endpoints with Equal: more
// fields will be added. An Endpoint is a value, which this module never changes.
type Endpoint struct {
	// Name is the endpoint's name in status, logs, errors and metrics, and its
	// identity: 1 to MaxNameLength bytes, printable, no space at its ends. Default:
	// the host and port of the address in normal form.
	Name string
	// Address is "host:port", "[IPv6]:port" or "[IPv6%zone]:port", the same after
	// "dns:///", or a URL "http://host:port" or "https://host:port". A port is
	// required. "unix:///path", "unix:path" and "unix-abstract:name" are Unix domain
	// sockets: the connection is plaintext unless the endpoint has TLS settings or the
	// channel has credentials, and the host is "localhost". A URL may end in "/", and has no other path, no user information,
	// query or fragment. A URL writes the % of a zone as %25. At most
	// MaxAddressLength bytes.
	Address string
	// ServerName is the name that the server's certificate is verified against and
	// that calls carry as their :authority: a host, or a host with a port. Default:
	// the server name in the channel's credentials, if there is one, and otherwise
	// the host and port of the address. grpc.WithAuthority overrides it.
	ServerName string
	// Weight is the endpoint's share of the calls relative to the others: an endpoint
	// of weight 3 receives three times as many as one of weight 1. 1 to MaxWeight; 0
	// means 1. A change of it makes no new connection.
	Weight int
	// Zone is the location of the endpoint, such as a data centre: printable text of
	// at most MaxZone bytes, no space at its ends. It is used by clients that have a
	// zone too, see cantonlb.Config. A change of it makes no new connection. Default
	// empty, which matches the zone of no client.
	Zone string
	// Priority ranks the endpoint under the policy active_passive: lower numbers are
	// preferred, from 0, the default, to MaxPriority. Endpoints of the same priority
	// are preferred in the order of the list. A change of it makes no new connection.
	// Other policies ignore it.
	Priority int

	// TLS holds the TLS settings of the connection that differ from the default. With
	// it an address without a scheme uses TLS. It excludes an http:// URL.
	TLS TLS

	// Token is a bearer token that is sent with each call to this endpoint, and to no
	// other one: "authorization: Bearer <token>". At most one of Token, TokenFile and
	// Credentials may be set. CheckToken documents what a token may be.
	Token Secret
	// TokenFile is the path of a file with a token and an optional newline. It is
	// read again once a second while there are calls. Content that cannot be used is
	// reported, and the old token stays in effect.
	TokenFile string
	// Credentials provide the metadata of each call to this endpoint. They are called
	// from many goroutines at once. Their type must be comparable with ==, such as a
	// pointer. For an oauth2.TokenSource see package oauthtoken.
	Credentials credentials.PerRPCCredentials
	// AllowInsecureTokens allows the credentials to be sent over a connection that is
	// neither encrypted nor verified, where anyone on the network path can read them.
	// Default false: such a call fails and nothing is sent.
	AllowInsecureTokens bool

	// Health is where this endpoint is asked about its health, if it differs from the
	// client's settings.
	Health HealthTarget
}

// connecting returns the part of the endpoint that a connection depends on. A list in
// which only the rest has changed keeps its connections.
func (e Endpoint) connecting() Endpoint {
	e.Weight, e.Zone, e.Priority = 0, "", 0
	return e
}

// HostPort returns the host and port to dial, in normal form: the host in lower
// case, an IPv6 address shortened and in brackets, no scheme. For a Unix domain socket
// it is the form that gRPC dials: "unix:///path", "unix:path", or "unix:@name" in the
// abstract namespace. It is empty if the address is not valid.
func (e Endpoint) HostPort() string {
	a, err := parseAddress(e.Address)
	if err != nil {
		return ""
	}
	return a.hostPort()
}

// UnixSocket returns the path of the Unix domain socket that the address names, in the
// form of package net: "@name" in the abstract namespace. It is empty for other
// addresses.
func (e Endpoint) UnixSocket() string {
	a, err := parseAddress(e.Address)
	if err != nil {
		return ""
	}
	return a.socket
}

// Security returns the security of the connection: by the scheme of the address or,
// without a scheme, by the TLS settings. It is SecurityUnset if the endpoint has
// neither, and for an address that is not valid.
func (e Endpoint) Security() Security {
	a, err := parseAddress(e.Address)
	if err == nil && a.security == SecurityUnset && !e.TLS.IsZero() {
		return SecurityTLS
	}
	return a.security
}

// Authority returns the server name, or the host and port of the address if there is no
// server name; for a Unix domain socket, "localhost". It does not take into account what a channel may override. It is without
// the zone of an IPv6 address, which has no meaning for the server. It is empty if there
// is no server name and the address is not valid.
func (e Endpoint) Authority() string {
	if e.ServerName != "" {
		return e.ServerName
	}
	a, err := parseAddress(e.Address)
	if err != nil {
		return ""
	}
	return a.authority()
}

// Equal reports whether other is an Endpoint with the same fields. Its parameter is of
// type any because gRPC calls it to find out whether the attributes of an address have
// changed.
func (e Endpoint) Equal(other any) bool {
	o, ok := other.(Endpoint)
	return ok && e.equal(o)
}

// String returns the name, and the host and port if they differ from it.
func (e Endpoint) String() string {
	hostPort := e.HostPort()
	if e.Name == "" || e.Name == hostPort {
		return hostPort
	}
	return fmt.Sprintf("%s (%s)", e.Name, hostPort)
}

// identity is the key of an Endpoint in gRPC's attributes.
type identity struct{}

// FromGRPC returns the Endpoint that an endpoint of gRPC was made from. It returns
// false for an endpoint of another resolver, and for one that was rebuilt on the way to
// the policy: gRPC's handling of HTTPS_PROXY does this and drops the attributes. Under
// this resolver (see ClaimFrom) a policy must treat that as an error, since names,
// settings and connections could be mixed up otherwise.
func FromGRPC(endpoint grpcresolver.Endpoint) (Endpoint, bool) {
	e, ok := endpoint.Attributes.Value(identity{}).(Endpoint)
	return e, ok
}

// FromAddress returns the Endpoint that an address of gRPC was made from, without the
// fields that no connection depends on, which are Weight, Zone and Priority. It returns
// false under the same conditions as FromGRPC. It is for transport credentials and
// dialers, which receive the address's attributes from gRPC.
func FromAddress(address grpcresolver.Address) (Endpoint, bool) {
	return FromAttributes(address.Attributes)
}

// FromAttributes is like FromAddress, for an address with these attributes.
func FromAttributes(a *attributes.Attributes) (Endpoint, bool) {
	e, ok := a.Value(identity{}).(Endpoint)
	return e, ok
}

// checkName returns an error for a name that is not fit for a log line or a metric
// label. The error has no field.
func checkName(name string, limit int) *configerr.Error {
	const want = "printable text with no space at its ends"
	switch {
	case len(name) > limit:
		return bad(name, fmt.Sprintf("at most %d", limit), "is %d bytes long", len(name))
	case !utf8.ValidString(name):
		return bad(name, want, "is not valid UTF-8")
	case strings.TrimSpace(name) != name:
		return bad(name, want, "begins or ends with a space")
	case !cleantext.Printable(name):
		return bad(name, want, "has a character that cannot be printed")
	}
	return nil
}

// parseServerName returns a server name in normal form. The error has no field.
func parseServerName(raw string) (string, *configerr.Error) {
	const want = "a host, or host:port"
	if err := checkText(raw, maxServerNameLength, want); err != nil {
		return "", err
	}
	host, port := raw, ""
	if bracketed := strings.HasSuffix(raw, "]"); !bracketed && strings.Contains(raw, ":") {
		var err *configerr.Error
		if host, port, err = splitHostPort(raw, raw, want); err != nil {
			return "", err
		}
		if port, err = parsePort(raw, port); err != nil {
			return "", err
		}
		port = ":" + port
	}
	name, zone, err := parseHost(raw, host, want, false)
	if err != nil {
		return "", err
	}
	if zone != "" {
		return "", bad(raw, want+" without a zone", "has a zone")
	}
	if strings.HasPrefix(host, "[") {
		name = "[" + name + "]"
	}
	return name + port, nil
}
