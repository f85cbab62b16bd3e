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
	// common divisor: after so many calls each endpoint has had its share exactly.
	MaxTurns = turns.Max
	// MaxPriority is an endpoint's greatest priority number.
	MaxPriority = 1000
	// maxServerNameLength leaves room for a host and a port.
	maxServerNameLength = maxHostLength + len(".:65535")
)

// Endpoint is one server of the list. Its identity is its name: an endpoint that
// keeps its name through an update is the same endpoint.
//
// Name the fields when you make one, and compare two with Equal: there will be
// more fields. An Endpoint is a value and is never changed by this module.
type Endpoint struct {
	// Name is the endpoint's name in status, logs, errors and metrics, and its
	// identity: 1 to MaxNameLength bytes, printable, no space at its ends. If
	// empty, the host and port of the address in normal form.
	Name string
	// Address is "host:port", "[IPv6]:port" or "[IPv6%zone]:port", or a URL
	// "http://host:port" or "https://host:port". A port is required. A URL may end
	// in "/", and has no other path, no user information, query or fragment. A
	// URL writes the % of a zone as %25. At most MaxAddressLength bytes.
	Address string
	// ServerName is the name that the server's certificate is verified against and
	// that calls carry as their :authority: a host, or a host with a port. If
	// empty, the server name in the channel's credentials, if there is one, and
	// else the host and port of the address. grpc.WithAuthority overrides it.
	ServerName string
	// Weight is the endpoint's share of the calls beside the others': one of
	// weight 3 gets three times as many as one of weight 1. 1 to MaxWeight;
	// 0 means 1. A change of it makes no new connection.
	Weight int
	// Zone is where the endpoint stands, such as a data centre: printable text of
	// at most MaxZone bytes, no space at its ends. It matters to a client that has
	// a zone itself, see cantonlb.Config. A change of it makes no new connection.
	// Default empty, which is no client's zone.
	Zone string
	// Priority ranks the endpoint where one of the list is active at a time: the
	// lower the number, the more preferred, from 0, the default, to MaxPriority.
	// Endpoints of the same priority are preferred in the order of the list. A
	// change of it makes no new connection. Other policies do not heed it.
	Priority int

	// TLS says how the TLS of the connection differs from the default. It makes
	// an address without a scheme one with TLS, and excludes an http:// URL.
	TLS TLS

	// Token is a bearer token that goes with each call to this endpoint, and to no
	// other one: "authorization: Bearer <token>". At most one of Token, TokenFile
	// and Credentials. See CheckToken for what can be one.
	Token Secret
	// TokenFile is the path of a file with a token and, if you like, a newline. It
	// is looked at again once a second while there are calls; what cannot be used
	// is reported, and the old token stays in force.
	TokenFile string
	// Credentials give the metadata for each call to this endpoint, from many
	// goroutines at once. The type must be one that can be compared with ==, such
	// as a pointer. For an oauth2.TokenSource see package oauthtoken.
	Credentials credentials.PerRPCCredentials
	// AllowInsecureTokens lets the credentials be sent over a connection that is
	// neither encrypted nor verified, where everyone on the way can read them.
	// Default false: such a call fails and nothing is sent.
	AllowInsecureTokens bool

	// Health says where this endpoint is asked about its health, if not where the
	// client's settings say.
	Health HealthTarget
}

// connecting is the part of the endpoint that a connection is made of. A list in
// which only the rest has changed keeps its connections.
func (e Endpoint) connecting() Endpoint {
	e.Weight, e.Zone, e.Priority = 0, "", 0
	return e
}

// HostPort returns the host and port to dial, in normal form: the host in lower
// case, an IPv6 address shortened and in brackets, no scheme. It is empty if the
// address is not valid.
func (e Endpoint) HostPort() string {
	a, err := parseAddress(e.Address)
	if err != nil {
		return ""
	}
	return a.hostPort()
}

// Security returns what the endpoint says about the connection's security: by the
// scheme of its address or, without one, by having TLS settings. It is
// SecurityUnset if it says nothing, and for an address that is not valid.
func (e Endpoint) Security() Security {
	a, err := parseAddress(e.Address)
	if err == nil && a.security == SecurityUnset && !e.TLS.IsZero() {
		return SecurityTLS
	}
	return a.security
}

// Authority returns the server name, or the host and port of the address if
// there is none; it knows nothing of what a channel may override. It is without the zone of an IPv6 address, which means nothing
// to the server. It is empty if there is no server name and the address is not
// valid.
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

// Equal tells whether other is an Endpoint with the same fields. It takes any
// because gRPC compares attributes so, to tell whether an address has changed.
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

// FromGRPC returns the Endpoint that an endpoint of gRPC was made from. It is
// false for one of another resolver, and for one that was rebuilt on its way:
// gRPC's handling of HTTPS_PROXY does so, and drops the attributes. A policy must
// treat that as an error under this resolver (see ClaimFrom), since names,
// settings and connections could be mixed up otherwise.
func FromGRPC(endpoint grpcresolver.Endpoint) (Endpoint, bool) {
	e, ok := endpoint.Attributes.Value(identity{}).(Endpoint)
	return e, ok
}

// FromAddress returns the Endpoint that an address of gRPC was made from, but
// without what no connection depends on, which is Weight, Zone and Priority; false
// under the same conditions as FromGRPC. It is for transport credentials and
// dialers, which are given the address's attributes by gRPC.
func FromAddress(address grpcresolver.Address) (Endpoint, bool) {
	return FromAttributes(address.Attributes)
}

// FromAttributes is FromAddress of an address with these attributes.
func FromAttributes(a *attributes.Attributes) (Endpoint, bool) {
	e, ok := a.Value(identity{}).(Endpoint)
	return e, ok
}

// checkName refuses names that would spoil a log line or a metric label. The
// error has no field.
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
